"""Measurements in training: when they are made, and of what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from regsearch.histogram import Histogram
from regsearch.metrics import MEASUREMENTS
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task


def trained(*tasks: Task) -> PackTraining:
    pack = PackTraining(list(tasks), Engine())
    while not pack.done:
        pack.run_epoch()
    return pack


def test_curves_hold_a_value_where_it_was_due_and_nothing_in_between(make_task: Any) -> None:
    measure = [{"kind": "gbr", "every": 2, "samples": 20}, {"kind": "layers"}]
    pack = trained(*(make_task(train={"epochs": 5}, measure=measure, seed=s) for s in (0, 1)))
    for result in pack.results():
        gbr, spectral = result.curves["gbr"], result.curves["spectral_max"]
        assert np.isfinite(gbr).tolist() == [False, True, False, True, True]
        assert np.isfinite(spectral).tolist() == [False, False, False, False, True]
        assert result.metrics["gbr"] == gbr[-1]
        assert result.metrics["gbr_best"] == gbr[[1, 3, 4]].min()
        assert result.metrics["gbr_last10"] == pytest.approx(gbr[[1, 3, 4]].mean())
        assert np.isfinite(result.curves["test_accuracy"]).all()


def test_measuring_changes_nothing_else(make_task: Any) -> None:
    measure = [{"kind": "pgd", "every": 1, "eps": [0.05], "samples": 20}, {"kind": "memorisation"}]
    dataset = {"kind": "digits", "train_size": 100, "label_noise": 0.4}
    plain = trained(make_task(dataset=dataset)).results()[0].curves
    measured = trained(make_task(dataset=dataset, measure=measure)).results()[0].curves
    assert measured.keys() - plain.keys() == {
        *("pgd_0.05_accuracy", "wrong_fit", "wrong_recovered", "clean_accuracy", "true_accuracy"),
    }
    for name, curve in plain.items():
        np.testing.assert_array_equal(measured[name], curve)


def test_every_measurement_sees_the_runs_as_they_are_alone(make_task: Any) -> None:
    few = {"samples": 50}
    settings: dict[str, dict[str, Any]] = {
        "fgsm": {"eps": [0.1]} | few,
        "pgd": {"eps": [0.1]} | few,
        "corruptions": {"benchmark": "mnist_c"} | few,
        "lipschitz": few,
        "objectives": {"strength": 0.1} | few,
    }
    measure = [{"kind": kind} | settings.get(kind, {}) for kind in MEASUREMENTS]
    dataset = {"kind": "digits", "train_size": 100, "label_noise": 0.4}
    tasks = [make_task(dataset=dataset, measure=measure, seed=seed) for seed in range(3)]
    together = [result.metrics for result in trained(*tasks).results()]
    alone = trained(tasks[1]).results()[0].metrics
    measured = [name for c in tasks[1].measure for name in MEASUREMENTS[c.kind].names(c)]
    for name in measured:
        assert alone[name] == pytest.approx(together[1][name], rel=1e-3)
    assert together[0]["wrong_fit"] != together[1]["wrong_fit"]


def test_accuracy_without_an_attack_is_the_metric_of_the_same_epoch(make_task: Any) -> None:
    measure = [{"kind": "fgsm", "every": 1, "eps": [0.0]}]
    curves = trained(make_task(measure=measure)).results()[0].curves
    np.testing.assert_allclose(curves["fgsm_0_accuracy"], curves["test_accuracy"])


@pytest.mark.parametrize("optimizer", ["sgd", "entropy_sgd"])
def test_weights_are_those_that_the_metrics_see(make_task: Any, optimizer: str) -> None:
    """Parametrised, averaged by the optimizer, and before they are made discrete."""
    quantized = {"kind": "volumization", "v": 1.0, "alpha": 0.5, "quantize": "binary"}
    train = {"optimizer": {"kind": optimizer, "lr": 0.1}, "epochs": 2}
    for regularizer in (quantized | {"quantize_every": 1}, {"kind": "enc"}):
        task = make_task(regularizer, train=train, measure=[{"kind": "layers", "every": 1}])
        curves = trained(task).results()[0].curves
        assert curves["spectral_max"].shape == (2,)
        norm = np.sqrt(curves["layer_norm_product"]) * (
            curves["layer_norm_ratio"] + 1 / curves["layer_norm_ratio"]
        )
        np.testing.assert_allclose(curves["weight_norm"] ** 2, norm, rtol=1e-4)


def test_a_diverged_run_is_measured_no_more(make_task: Any) -> None:
    measure = [{"kind": "lipschitz", "every": 1, "samples": 10}]
    train = {"optimizer": {"kind": "sgd", "lr": 0.1}}
    tasks = [
        make_task({"kind": "weight_decay", "decay": decay}, train=train, measure=measure)
        for decay in (0.0, 1e38)
    ]
    healthy, diverged = trained(*tasks).results()
    assert diverged.status == "diverged"
    assert np.isnan(diverged.curves["lipschitz_max"][-1])
    assert diverged.metrics["lipschitz_max"] is None
    assert np.isfinite(healthy.curves["lipschitz_max"]).all()


def test_interrupted_and_resumed_measures_the_same(make_task: Any) -> None:
    task = make_task(measure=[{"kind": "gbr", "every": 2, "samples": 20, "probes": 3}])
    whole = trained(task).results()[0].curves
    first = PackTraining([task], Engine())
    first.run_epoch()
    second = PackTraining([task], Engine())
    second.load_state_dict(first.state_dict())
    while not second.done:
        second.run_epoch()
    for name, curve in second.results()[0].curves.items():
        np.testing.assert_array_equal(curve, whole[name])


def test_histograms_are_of_the_newest_epoch_and_survive_an_interruption(make_task: Any) -> None:
    measure = [{"kind": "histograms", "every": 2}, {"kind": "lipschitz", "samples": 10}]
    tasks = [make_task(train={"epochs": 4}, measure=measure, seed=seed) for seed in (0, 1)]
    pack = PackTraining(tasks, Engine())
    for _ in range(3):
        pack.run_epoch()
    stopped = pack.results()
    resumed = PackTraining(tasks, Engine())
    resumed.load_state_dict(pack.state_dict())
    for early, late in zip(stopped, resumed.results(), strict=True):
        assert set(early.distributions) == {
            f"weights/{layer}.{part}" for layer in (1, 3) for part in ("weight", "bias")
        }
        assert_same(early.distributions, late.distributions)
    pack.run_epoch()
    for k, result in enumerate(pack.results()):
        assert result.status == "completed"
        assert result.distributions["lipschitz"].counts.sum() == 10
        found = result.distributions["weights/3.weight"]
        weight = pack.state.params["3.weight"][k].double().numpy()
        wanted, _ = np.histogram(weight, 256, (found.low, found.high))
        np.testing.assert_array_equal(found.counts, wanted)
        assert "weights/3.weight" not in result.curves


def assert_same(one: dict[str, Histogram], other: dict[str, Histogram]) -> None:
    assert one.keys() == other.keys()
    for name, found in one.items():
        np.testing.assert_array_equal(found.counts, other[name].counts)
        assert found._replace(counts=None) == other[name]._replace(counts=None)


def test_checkpoints_from_before_there_were_histograms_can_be_gone_on_from(make_task: Any) -> None:
    pack = PackTraining([make_task()], Engine())
    pack.run_epoch()
    saved = pack.state_dict()
    del saved["history"]["histograms"]
    resumed = PackTraining([make_task()], Engine())
    resumed.load_state_dict(saved)
    assert resumed.epoch == 1


def test_a_diverged_run_has_no_histograms(make_task: Any) -> None:
    tasks = [
        make_task(
            {"kind": "weight_decay", "decay": decay},
            train={"optimizer": {"kind": "sgd", "lr": 0.1}},
            measure=[{"kind": "histograms", "every": 1}],
        )
        for decay in (0.0, 1e38)
    ]
    healthy, diverged = trained(*tasks).results()
    assert diverged.status == "diverged"
    assert diverged.distributions == {}
    assert all(found.missing == 0 for found in healthy.distributions.values())


def test_what_is_measured_is_part_of_what_the_run_is(make_task: Any) -> None:
    plain, measured = make_task(), make_task(measure=[{"kind": "gbr"}])
    assert plain.content() != measured.content()
    assert Task.model_validate(measured.model_dump(mode="json")) == measured
    with pytest.raises(ValueError, match="one structure"):
        PackTraining([plain, measured], Engine())
    assert not any(p.requires_grad for p in trained(measured).state.params.values())
    assert torch.is_grad_enabled()
