"""The order in which a grid is walked."""

from __future__ import annotations

import itertools

import pytest

from regsearch.study.coarse_to_fine import axis_levels, coarse_to_fine


def test_levels_of_short_axes_by_hand() -> None:
    assert axis_levels(1) == [0]
    assert axis_levels(2) == [0, 0]
    assert axis_levels(3) == [0, 1, 0]
    assert axis_levels(5) == [0, 2, 1, 2, 0]
    assert axis_levels(9) == [0, 3, 2, 3, 1, 3, 2, 3, 0]


def test_a_plane_begins_with_its_corners_then_its_middles() -> None:
    points = [point for _, point in coarse_to_fine([5, 5])]
    assert points[:4] == [(0, 0), (0, 4), (4, 0), (4, 4)]
    assert set(points[:9]) == set(itertools.product([0, 2, 4], repeat=2))


@pytest.mark.parametrize("lengths", [[], [1], [7, 7], [2, 3, 4, 1], [16, 5]])
def test_every_point_comes_once(lengths: list[int]) -> None:
    points = [point for _, point in coarse_to_fine(lengths)]
    assert sorted(points) == list(itertools.product(*map(range, lengths)))


@pytest.mark.parametrize("length", range(2, 40))
def test_each_level_halves_the_widest_gap(length: int) -> None:
    levels = axis_levels(length)
    for level in range(max(levels)):
        seen = [i for i, at in enumerate(levels) if at <= level]
        finer = [i for i, at in enumerate(levels) if at <= level + 1]
        widest = max(b - a for a, b in itertools.pairwise(seen))
        assert max(b - a for a, b in itertools.pairwise(finer)) == (widest + 1) // 2
