"""Hyper-parameters that change while a pack trains, against trainings that never change them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task

WEAK, STRONG = {"kind": "weight_decay", "decay": 0.01}, {"kind": "weight_decay", "decay": 0.5}
COURSE = [{"epoch": 3, "values": {"weight_decay.decay": 0.5}}]


def training(*tasks: Task) -> PackTraining:
    return PackTraining(list(tasks), Engine())


def train(pack: PackTraining, epochs: int) -> PackTraining:
    for _ in range(epochs):
        pack.run_epoch()
    return pack


def test_a_change_is_that_of_the_pack_whose_weights_went_on_with_the_other_value(
    make_task: Any,
) -> None:
    changing = train(training(make_task(WEAK, {"epochs": 4, "course": COURSE})), 4)
    first = train(training(make_task(WEAK, {"epochs": 4})), 2)
    second = training(make_task(STRONG, {"epochs": 4}))
    second.load_state_dict(first.state_dict())
    train(second, 2)
    for name, weights in changing.state.params.items():
        assert torch.equal(weights, second.state.params[name])
    unchanged = train(training(make_task(WEAK, {"epochs": 4})), 4)
    name = next(iter(unchanged.state.params))
    assert not torch.equal(changing.state.params[name], unchanged.state.params[name])


def test_every_run_of_a_pack_takes_the_new_value_and_the_curves_tell_when(make_task: Any) -> None:
    tasks = [make_task(start, {"epochs": 4, "course": COURSE}) for start in (WEAK, STRONG)]
    results = train(training(*tasks), 4).results()
    told = [result.curves["course.weight_decay.decay"].tolist() for result in results]
    weak = float(np.float32(0.01))
    assert told == [[weak, weak, 0.5, 0.5], [0.5] * 4]
    assert results[0].metrics["course.weight_decay.decay"] == 0.5
    assert "course.weight_decay.decay_best" not in results[0].metrics
    plain = train(training(make_task(WEAK)), 1).results()[0]
    assert not any(name.startswith("course.") for name in plain.curves)


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_a_resumed_pack_follows_the_course_as_if_it_had_never_stopped(
    make_task: Any, finished: int
) -> None:
    tasks = [make_task(WEAK, {"epochs": 4, "course": COURSE})]
    whole = train(training(*tasks), 4)
    resumed = training(*tasks)
    resumed.load_state_dict(train(training(*tasks), finished).state_dict())
    train(resumed, 4 - finished)
    for name, weights in whole.state.params.items():
        assert torch.equal(weights, resumed.state.params[name])


def test_a_value_set_from_outside_outlives_a_checkpoint(make_task: Any) -> None:
    task = make_task(WEAK, {"epochs": 4}, population="0" * 16)
    first = train(training(task), 1)
    first.course.set({"weight_decay.decay": 0.25, "volumization.v": 3.0})
    train(first, 1)
    resumed = training(task)
    resumed.load_state_dict(first.state_dict())
    curve = train(resumed, 2).results()[0].curves["course.weight_decay.decay"]
    assert curve.tolist() == [float(np.float32(0.01)), 0.25, 0.25, 0.25]


def test_runs_without_a_course_are_named_as_they_always_were(make_task: Any) -> None:
    content = make_task(WEAK).content()
    assert "course" not in content["train"]
    assert "population" not in content
    assert make_task(WEAK, {"course": COURSE}).content()["train"]["course"] == COURSE


def test_a_value_set_after_the_last_epoch_is_in_the_checkpoint(make_task: Any) -> None:
    task = make_task(WEAK, population="0" * 16)
    first = train(training(task), 1)
    first.course.set({"weight_decay.decay": 0.25})
    resumed = training(task)
    resumed.load_state_dict(first.state_dict())
    assert train(resumed, 1).results()[0].curves["course.weight_decay.decay"][-1] == 0.25


def test_the_value_that_a_run_diverged_with_is_told(make_task: Any) -> None:
    blow = [{"epoch": 2, "values": {"weight_decay.decay": 3e38}}]
    train_with = {"optimizer": {"kind": "sgd", "lr": 1.0}, "course": blow}
    [result] = train(training(make_task(WEAK, train_with)), 2).results()
    assert (result.status, result.epochs) == ("diverged", 2)
    assert result.curves["course.weight_decay.decay"][-1] == np.float32(3e38)
    assert np.isnan(result.curves["test_accuracy"][-1])
