"""Milestones that are no order of epochs, or beyond the end of training."""

from __future__ import annotations

import pytest

from regsearch.schedules import problems
from regsearch.schedules.multi_step import MultiStep


@pytest.mark.parametrize("milestones", [[60, 30], [30, 30]])
def test_milestones_increase(milestones: list[int]) -> None:
    with pytest.raises(ValueError, match="increasing order"):
        MultiStep.model_validate({"milestones": milestones})


@pytest.mark.parametrize("milestones", [[], [0], [-3, 5], [2.5]])
def test_milestones_are_one_or_more_positive_epochs(milestones: list[float]) -> None:
    with pytest.raises(ValueError, match="milestones"):
        MultiStep.model_validate({"milestones": milestones})


@pytest.mark.parametrize(
    ("epochs", "warmup", "never"),
    [(91, 0.0, []), (90, 0.0, [90]), (60, 0.0, [60, 90]), (95, 5.0, [90])],
)
def test_a_milestone_that_is_never_reached_is_a_problem(
    epochs: int, warmup: float, never: list[int]
) -> None:
    found = problems(MultiStep(milestones=(30, 60, 90), warmup=warmup), epochs, lr=0.1)
    assert [problem.split()[:2] for problem in found] == [["milestone", str(m)] for m in never]
