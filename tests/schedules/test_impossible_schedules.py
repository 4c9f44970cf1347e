"""Schedules that do nothing in the training they are for, or the opposite of what they are for."""

from __future__ import annotations

import pytest

from regsearch.schedules import problems
from regsearch.schedules.cosine import Cosine
from regsearch.schedules.sigmoid import Sigmoid
from regsearch.schedules.step import Step


@pytest.mark.parametrize(
    ("epochs", "warmup", "drops"),
    [(31, 0.0, True), (30, 0.0, False), (31, 1.0, False), (31, 0.5, True)],
)
def test_a_step_that_training_does_not_reach_is_a_problem(
    epochs: int, warmup: float, drops: bool
) -> None:
    found = problems(Step(step_size=30, warmup=warmup), epochs, lr=0.1)
    assert found == ([] if drops else found[:1])
    assert bool(found) is not drops
    assert all(text.startswith("step_size 30 is never reached in the 30 epochs") for text in found)


@pytest.mark.parametrize("lr", [0.1, 0.05])
def test_a_last_rate_above_the_first_is_a_problem(lr: float) -> None:
    above = [
        problems(Cosine(eta_min=0.1), 10, lr),
        problems(Sigmoid(end=0.1), 10, lr),
        problems(Sigmoid(end=0.1, log=True), 10, lr),
    ]
    if lr == 0.1:
        assert above == [[], [], []]
        return
    said = "0.1 is above the optimizer's lr 0.05, so the rate would rise"
    assert [found[0].partition(";")[0] for found in above] == [
        f"{name} {said}" for name in ("eta_min", "end", "end")
    ]
