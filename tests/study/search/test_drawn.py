"""Sequences of settings: their law, their evenness, and that a longer one begins as a shorter."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy import stats

from regsearch.study.search import ALGORITHMS, Listed
from regsearch.study.search.space import Point, Space
from tests.spaces import DECAY, NONE, PLANE, SMALL, space_of

NAMES = ("random", "sobol", "halton")
CUBE = {"kind": "volumization", "v": {"uniform": [0, 1]}, "alpha": {"uniform": [0, 1]}}


def draw(name: str, space: Space, cells: int, seed: int = 0) -> list[Point]:
    algorithm = ALGORITHMS[name]
    assert isinstance(algorithm, Listed)
    return list(algorithm.points(space, algorithm.config(algorithm=name, cells=cells, seed=seed)))


@pytest.mark.parametrize("name", NAMES)
def test_more_cells_keep_those_there_were(name: str) -> None:
    space = space_of(PLANE, NONE, DECAY, SMALL)
    longest = draw(name, space, 200)
    assert len(set(longest)) == 200
    for cells in (1, 7, 64, 65, 150):
        assert draw(name, space, cells) == longest[:cells]
    assert draw(name, space, 20, seed=1) != longest[:20]


@pytest.mark.parametrize("name", NAMES)
def test_a_discrete_space_is_drawn_empty_and_no_point_comes_twice(name: str) -> None:
    space = space_of(SMALL, NONE)
    assert sorted(draw(name, space, 1000)) == sorted(space.points())
    assert len(draw(name, space, 4)) == 4


def test_each_interval_has_its_share_of_a_sobol_sequence() -> None:
    shares = np.array([point.values for point in draw("sobol", space_of(CUBE), 256)])
    for column in shares.T:
        assert sorted(np.floor(column * 256)) == list(range(256))
    boxes = np.floor(shares * 16).astype(int)
    assert len(np.unique(boxes, axis=0)) == 256, "a (0, 8, 2)-net in base 2"


def test_each_interval_has_its_share_of_a_halton_sequence() -> None:
    shares = np.array([point.values for point in draw("halton", space_of(CUBE), 2**6 * 3**4)])
    for column, base, power in ((shares[:, 0], 2, 6), (shares[:, 1], 3, 4)):
        counts = np.bincount(np.floor(column * base**power).astype(int))
        assert set(counts) == {len(shares) // base**power}


def test_random_draws_follow_their_distributions() -> None:
    drawn = draw("random", space_of(PLANE, DECAY), 2000)
    planes = np.array([point.values for point in drawn if point.entry == 0])
    decays = [point.values[0] for point in drawn if point.entry == 1]
    assert stats.binomtest(len(planes), 2000).pvalue > 0.01
    assert stats.kstest(planes[:, 0], stats.uniform(0, 4).cdf).pvalue > 0.01
    assert stats.kstest(planes[:, 1], stats.uniform(-1, 2).cdf).pvalue > 0.01
    assert stats.kstest(decays, stats.loguniform(1e-5, 1e-1).cdf).pvalue > 0.01
    assert abs(stats.pearsonr(*planes.T).statistic) < 0.1


@pytest.mark.parametrize("name", ["sobol", "halton"])
def test_entries_take_turns_until_they_are_exhausted(name: str) -> None:
    drawn = draw(name, space_of(NONE, PLANE, DECAY), 7)
    assert [point.entry for point in drawn] == [0, 1, 2, 1, 2, 1, 2]


def test_a_grid_is_every_combination_corners_first() -> None:
    grid = ALGORITHMS["grid"]
    assert isinstance(grid, Listed)
    space = space_of({"kind": "volumization", "v": [0.5, 1.0, 2.0], "alpha": [-1.0, 0.0]}, NONE)
    points = list(grid.points(space, grid.config(algorithm="grid")))
    assert sorted(points) == sorted(space.points())
    corners = {point.values for point in islice(points, 4)}
    assert corners == {(0.5, -1.0), (0.5, 0.0), (2.0, -1.0), (2.0, 0.0)}
