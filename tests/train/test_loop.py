from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from regsearch.datasets import DATASETS
from regsearch.models import MODELS
from regsearch.train.batches import epoch_order
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.seeds import seed_of
from regsearch.train.task import Task

EAGER = Engine()


def trained(tasks: list[Task]) -> PackTraining:
    pack = PackTraining(tasks, EAGER)
    while not pack.done:
        pack.run_epoch()
    return pack


def plain_loop(task: Task, volume: float, alpha: float) -> tuple[list[float], nn.Module]:
    """The same run as anybody would write it: one model, torch.optim, a loop over batches."""
    data = DATASETS[task.dataset.kind].load(task.dataset)
    torch.manual_seed(seed_of(task.seed, "init"))
    model = MODELS[task.model.kind].build(task.model, data.x_train.shape[1:], data.classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=task.train.optimizer.lr)  # type: ignore[attr-defined]
    size, losses = task.train.batch_size, []
    for epoch in range(1, task.train.epochs + 1):
        order = epoch_order(len(data.x_train), task.train, [task.seed], epoch)
        for index in order.split(size)[: len(order) // size]:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(data.x_train[index]), data.y_train[index])
            loss.backward()
            losses.append(loss.item())
            optimizer.step()
            with torch.no_grad():
                for weight in (p for p in model.parameters() if p.ndim > 1):
                    wall = volume * (6 / weight.shape[1]) ** 0.5
                    outside = weight.abs() > wall
                    momentum = optimizer.state[weight]["exp_avg"]
                    momentum[outside] *= alpha
                    pulled = weight.sign() * (wall + alpha * (weight.abs() - wall))
                    weight.copy_(torch.where(outside, pulled, weight))
    return losses, model


def test_a_run_of_a_pack_is_the_run_that_a_plain_loop_trains(make_task: Any) -> None:
    cells = [(0.5, 0.5), (0.1, -1.0), (0.05, 0.0)]
    tasks = [
        make_task({"kind": "volumization", "v": v, "alpha": a}, seed=seed)
        for seed, (v, a) in enumerate(cells)
    ]
    pack = trained(tasks)
    for k, (task, cell) in enumerate(zip(tasks, cells, strict=True)):
        losses, model = plain_loop(task, *cell)
        epochs = np.reshape(losses, (task.train.epochs, -1)).mean(1)
        np.testing.assert_allclose(pack.results()[k].curves["train_loss"], epochs, rtol=1e-5)
        for name, param in model.named_parameters():
            torch.testing.assert_close(
                pack.state.params[name][k], param.detach(), rtol=1e-4, atol=1e-5
            )


def test_measured_quantities_are_those_of_the_model_after_the_epoch(make_task: Any) -> None:
    task = make_task(dataset={"kind": "digits", "train_size": 100, "validation": 20})
    pack = PackTraining([task], EAGER)
    measured = pack.run_epoch()
    data = DATASETS["digits"].load(task.dataset)
    model = MODELS["mlp"].build(task.model, data.x_train.shape[1:], 10)
    model.load_state_dict({name: p[0] for name, p in pack.state.params.items()})
    logits = model(data.x_test).detach()
    right = (logits.argmax(1) == data.y_test).float().mean()
    torch.testing.assert_close(measured["test_accuracy"][0], right)
    torch.testing.assert_close(
        measured["test_loss"][0], nn.functional.cross_entropy(logits, data.y_test)
    )
    largest = max(float(p.detach().abs().max()) for p in model.parameters() if p.ndim > 1)
    assert float(measured["max_weight"][0]) == pytest.approx(largest)
    assert {"validation_loss", "validation_accuracy", "train_accuracy"} <= measured.keys()


def test_same_seed_same_initial_weights_in_every_cell(make_task: Any) -> None:
    decay = [make_task({"kind": "weight_decay", "decay": 0.1}, seed=s) for s in (3, 4, 3)]
    other = PackTraining([make_task(seed=4)], EAGER).state.params
    params = PackTraining(decay, EAGER).state.params
    for name, param in params.items():
        assert torch.equal(param[0], param[2])
        assert torch.equal(param[1], other[name][0])
        assert not torch.equal(param[0], param[1])


def test_building_a_pack_leaves_torchs_random_state_alone(make_task: Any) -> None:
    before = torch.get_rng_state()
    trained([make_task()])
    assert torch.equal(before, torch.get_rng_state())


def test_noise_belongs_to_the_run_and_is_drawn_before_the_split(make_task: Any) -> None:
    def labels(rate: float, validation: int) -> torch.Tensor:
        dataset = {
            "kind": "digits", "train_size": 100, "label_noise": rate, "validation": validation
        }  # fmt: skip
        data = PackTraining([make_task(dataset=dataset)], EAGER)._data
        return torch.cat([data.y_validation, data.y_train], 1)[0]

    clean, noisy = labels(0.0, 30), labels(0.4, 30)
    assert int((clean != noisy).sum()) == 40
    assert (clean[:30] != noisy[:30]).any()
    assert (clean[30:] != noisy[30:]).any()


@pytest.mark.parametrize("batches", ["shared", "independent"])
def test_a_resumed_pack_equals_an_uninterrupted_one_bit_for_bit(
    batches: str, make_task: Any
) -> None:
    tasks = [
        make_task(
            {"kind": "volumization", "v": 0.2, "alpha": a},
            {"batches": batches, "epochs": 4, "drop_last": False},
            seed=seed,
        )
        for seed, a in enumerate((0.5, -1.0))
    ]
    whole = trained(tasks)
    for stop in range(1, 4):
        first = PackTraining(tasks, EAGER)
        for _ in range(stop):
            first.run_epoch()
        saved = copy.deepcopy(first.state_dict())
        second = PackTraining(tasks, EAGER)
        second.load_state_dict(saved)
        assert second.epoch == stop
        while not second.done:
            second.run_epoch()
        for name, param in whole.state.params.items():
            assert torch.equal(param, second.state.params[name])
        for one, other in zip(whole.results(), second.results(), strict=True):
            for name, curve in one.curves.items():
                np.testing.assert_array_equal(curve, other.curves[name])


def test_a_state_of_another_pack_is_refused(make_task: Any) -> None:
    saved = PackTraining([make_task(), make_task(seed=1)], EAGER).state_dict()
    with pytest.raises(ValueError, match=r"saved .* is \[2"):
        PackTraining([make_task()], EAGER).load_state_dict(saved)


def test_runs_of_different_structure_are_refused(make_task: Any) -> None:
    with pytest.raises(ValueError, match="one structure, got 2"):
        PackTraining([make_task(), make_task(model={"kind": "mlp", "widths": [9]})], EAGER)


def test_a_diverging_run_ends_alone(make_task: Any) -> None:
    def sgd(lr: float) -> dict[str, Any]:
        return {"optimizer": {"kind": "sgd", "lr": lr}, "epochs": 6}

    calm, wild = make_task(train=sgd(0.1)), make_task(train=sgd(1e30))
    together = trained([wild, calm])
    diverged, finished = together.results()
    assert diverged.status == "diverged"
    assert diverged.epochs < 6
    assert "not finite" in (diverged.reason or "")
    assert diverged.metrics["test_accuracy"] is None
    assert all(len(curve) == diverged.epochs for curve in diverged.curves.values())
    assert np.isnan(diverged.curves["test_loss"][-1])
    assert together.diverged == 1
    (alone,) = trained([calm]).results()
    assert finished.status == alone.status == "completed"
    for name, curve in alone.curves.items():
        np.testing.assert_allclose(finished.curves[name], curve, rtol=1e-5)
    (wild_alone,) = trained([wild]).results()
    assert wild_alone.epochs == diverged.epochs


def test_a_run_diverges_with_the_weights_that_it_keeps(
    make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = PackTraining([make_task(), make_task(seed=1)], EAGER)
    kept = {name: param.clone() for name, param in pack.state.params.items()}
    kept["1.bias"][0] = torch.inf
    monkeypatch.setattr(pack, "weights", lambda: kept)
    pack.run_epoch()
    assert pack.diverged == 1


def test_a_pack_ends_when_no_run_is_left(make_task: Any) -> None:
    train = {"optimizer": {"kind": "sgd", "lr": 1e30}, "epochs": 50}
    pack = trained([make_task(train=train), make_task(train=train, seed=1)])
    assert pack.epoch < 50
    assert {result.status for result in pack.results()} == {"diverged"}


def test_results_say_how_far_a_run_came_and_what_it_took(make_task: Any) -> None:
    pack = PackTraining([make_task()], EAGER)
    pack.run_epoch()
    (result,) = pack.results()
    assert (result.status, result.epochs) == ("stopped", 1)
    assert result.seconds > 0
    assert result.started < result.finished
    assert set(pack.best_now()) == set(result.curves)


def test_bf16_takes_batch_norm_in_a_pack_and_alone(make_task: Any) -> None:
    model = {"kind": "mlp", "widths": [8], "norm": "batch"}
    train = {"precision": "bf16", "optimizer": {"kind": "sgd", "lr": 0.01}}
    tasks = [make_task(train=train, model=model, seed=seed) for seed in range(2)]
    together, alone = trained(tasks), trained(tasks[:1])
    for name, param in alone.state.params.items():
        torch.testing.assert_close(together.state.params[name][0], param[0], rtol=0.1, atol=0.02)


def test_bf16_computes_in_bf16_and_keeps_the_state_in_fp32(make_task: Any) -> None:
    full, half = (trained([make_task(train={"precision": p})]) for p in ("fp32", "bf16"))
    for name, param in half.state.params.items():
        assert param.dtype == torch.float32
        assert not torch.equal(param, full.state.params[name])
        torch.testing.assert_close(param, full.state.params[name], rtol=0.1, atol=0.02)
