"""Quantized training: what is measured, and when training goes on from discrete weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining

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
