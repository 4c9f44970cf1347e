"""Quantized training: what is measured, and when training goes on from discrete weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task

TERNARY = {"kind": "volumization", "v": 0.5, "alpha": 0.5, "quantize": "ternary"}


def epochs(make_task: Any, every: int, total: int) -> tuple[PackTraining, list[int]]:
    """The training, and how many values the first weight takes after each epoch."""
    task = make_task(TERNARY | {"quantize_every": every}, train={"epochs": total})
    pack, values = PackTraining([task], Engine()), []
    while not pack.done:
        pack.run_epoch()
        values.append(len(pack.state.params["1.weight"].unique()))
    return pack, values


@pytest.mark.parametrize(("every", "discrete"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])])
def test_weights_are_discrete_every_so_often_and_at_the_end(
    make_task: Any, every: int, discrete: list[int]
) -> None:
    _, values = epochs(make_task, every, 5)
    assert [epoch for epoch, count in enumerate(values, 1) if count <= 3] == discrete


def test_both_kinds_of_weights_are_measured_in_every_epoch(make_task: Any) -> None:
    pack, _ = epochs(make_task, 2, 3)
    [result] = pack.results()
    floats, discrete = result.curves["test_accuracy"], result.curves["quantized_accuracy"]
    assert len(floats) == len(discrete) == 3
    assert (floats != discrete).any()
    data, [hidden, _, head] = (
        pack._data,
        ["1", "", "3"],
    )  # the model is Flatten, Linear, ReLU, Linear
    weights = {name: value[0] for name, value in pack.state.params.items()}
    x = data.x_test.flatten(1) @ weights[f"{hidden}.weight"].T + weights[f"{hidden}.bias"]
    logits = x.relu() @ weights[f"{head}.weight"].T + weights[f"{head}.bias"]
    correct = (logits.argmax(1) == data.y_test[0]).float().mean()
    assert discrete[-1] == pytest.approx(float(correct))
    assert result.metrics["quantized_accuracy_best"] == pytest.approx(discrete.max())


def test_other_runs_have_no_such_curve(make_task: Any) -> None:
    pack = PackTraining([make_task()], Engine())
    assert not any(name.startswith("quantized") for name in pack.run_epoch())


def test_the_optimizers_averages_are_kept(make_task: Any) -> None:
    pack, _ = epochs(make_task, 1, 2)
    average = pack.state.slots["exp_avg"]["1.weight"]
    assert len(average.unique()) > 100
    assert torch.isfinite(average).all()


def test_dear_measurements_see_the_float_weights_as_the_metrics_do(make_task: Any) -> None:
    layers = [{"kind": "layers", "every": 1}]
    due, later = (
        PackTraining([make_task(TERNARY | {"quantize_every": n}, measure=layers)], Engine())
        for n in (1, 9)
    )
    first, second = due.run_epoch(), later.run_epoch()
    assert not torch.equal(due.state.params["1.weight"], later.state.params["1.weight"])
    assert first == second


def test_two_methods_quantize_one_network(make_task: Any) -> None:
    """Each its layer: both are measured together, also while only one of them is due."""
    often, rarely = TERNARY | {"quantize_every": 1}, TERNARY | {"quantize_every": 3}
    task = make_task(train={"epochs": 4})
    methods = [often | {"exclude": ["3.weight"]}, rarely | {"exclude": ["1.weight"]}]
    both = Task.model_validate(task.model_dump() | {"regularizers": methods})
    pack, one = PackTraining([both], Engine()), PackTraining([make_task(TERNARY)], Engine())
    assert pack.run_epoch()["quantized_accuracy"] == one.run_epoch()["quantized_accuracy"]
    levels = {name: value.unique().numel() for name, value in pack.state.params.items()}
    assert levels["1.weight"] <= 3 < levels["3.weight"]
