"""The conditional space: what is in it, what is not, and how much."""

from __future__ import annotations

from typing import Any

import pytest

from regsearch.study.search.space import Point
from tests.spaces import DECAY, NONE, PLANE, SMALL, space_of

EVERYTHING = space_of(PLANE, [DECAY, {"kind": "lasso", "strength": [0.1, 1.0]}], NONE, SMALL)


def test_a_setting_is_found_where_it_was_made() -> None:
    for point in (*EVERYTHING.examples(), EVERYTHING.entries[1].at([0.3, 0.9])):
        setting = EVERYTHING.settle(point)
        found = EVERYTHING.find(setting.content)
        assert found is not None
        assert EVERYTHING.settle(found).key == setting.key


@pytest.mark.parametrize(
    "content",
    [
        [{"kind": "volumization", "v": 5.0, "alpha": 0.0}],
        [{"kind": "volumization", "v": 1.0}],
        [{"kind": "weight_decay", "decay": 1e-3}],
        [{"kind": "weight_decay", "decay": 1e-3}, {"kind": "lasso", "strength": 0.5}],
        [{"kind": "lasso", "strength": 0.1}, {"kind": "weight_decay", "decay": 1e-3}],
        [{"kind": "lasso", "strength": 0.1}],
        [],
    ],
)
def test_what_lies_outside_is_not_found(content: list[dict[str, Any]]) -> None:
    whole = EVERYTHING.settle(Point(0, (1.0, 0.0))).content[0]
    completed = [whole | each if each["kind"] == "volumization" else each for each in content]
    if content and content[0].get("v") == 1.0:
        completed[0]["alpha"] = None
    assert EVERYTHING.find(completed) is None


def test_a_fixed_value_of_another_study_is_another_setting() -> None:
    content = EVERYTHING.settle(Point(0, (1.0, 0.0))).content
    assert EVERYTHING.find(content) is not None
    assert EVERYTHING.find([content[0] | {"scale_momentum": False}]) is None


def test_sizes_are_those_of_the_list() -> None:
    small = space_of(SMALL, NONE, {"kind": "weight_decay", "decay": {"randint": [0, 4]}})
    points = list(small.points())
    assert len(points) == len(set(points)) == small.size == 3 * 3 + 1 + 4
    assert len({small.settle(point).key for point in points}) == small.size
    assert EVERYTHING.size is None


def test_examples_show_each_value_that_is_listed() -> None:
    values = {point.values for point in space_of(SMALL).examples()}
    assert {v for v, _ in values} == {0.5, 1.0, 2.0}
    assert {alpha for _, alpha in values} == {-1, 0, 1}
    assert len(values) == 1 + 2 + 2


def test_entries_that_apply_the_same_are_told_apart() -> None:
    assert space_of(NONE, SMALL, [DECAY, NONE], PLANE).labels == [
        "none",
        "volumization",
        "weight_decay + none",
        "volumization (2)",
    ]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"kind": "volumization", "v": 9, "alpha": 0}, "outside the search space: no entry of it"),
        ({"kind": "volumization", "v": -1, "alpha": 0}, "volumization.v: needs 0 or more, got -1"),
        ({"kind": "lasso", "strength": 1}, "outside the search space"),
    ],
)
def test_a_start_that_is_misplaced_says_why(written: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        EVERYTHING.place(written)
