"""The finder of boundaries, on planes whose boundary is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from regsearch.study.search.boundary import Boundary
from regsearch.study.search.level_map import Place

SIDE, SEEDS = 13, 4
Plane = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]]
Runs = dict[Place, dict[int, float | None]]

PLANES: dict[str, Plane] = {
    "line": lambda x, y: 0.06 * (x + 0.5 * y - 8.3),
    "circle": lambda x, y: 0.012 * (16.5 - (x - 5) ** 2 - (y - 7) ** 2),
    "two regions": lambda x, y: (
        0.5 * np.exp(-((x - 2) ** 2 + (y - 3) ** 2) / 8)
        + 0.5 * np.exp(-((x - 10) ** 2 + (y - 9) ** 2) / 8)
        - 0.2
    ),
}


def table(plane: Plane, noise: float, seed: int = 0) -> NDArray[np.float64]:
    """Margins, [SIDE, SIDE, SEEDS]: what a seed does to all cells, and noise of its own."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    effects = rng.normal(size=SEEDS) * 2 * noise
    effects -= effects.mean()
    margins = plane(x, y)[..., None] + effects + noise * rng.normal(size=(SIDE, SIDE, SEEDS))
    return np.asarray(margins)


def search(
    margins: NDArray[np.float64], most: int, count: int = 30, error: float = 0.05
) -> tuple[Boundary, Runs]:
    """Ask and answer until nothing is asked, or ``most`` runs are in; none may come twice."""
    boundary, runs = Boundary(margins.shape[:-1], margins.shape[-1], error), Runs()
    left = most
    while left and (asked := boundary.ask(runs, min(count, left))):
        assert len(asked) <= min(count, left)
        for place, seed in asked:
            assert seed not in runs.setdefault(place, {})
            runs[place][seed] = float(margins[(*place, seed)])
        left -= len(asked)
    return boundary, runs


def spent(runs: Runs) -> int:
    return sum(map(len, runs.values()))


@pytest.mark.parametrize("name", PLANES)
def test_a_quarter_of_the_runs_finds_the_boundary(name: str) -> None:
    """Two wrong cells of 169 at most, all of them within the noise of the level."""
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    exact = PLANES[name](x, y)
    noise = 0.01
    boundary, runs = search(table(PLANES[name], noise), SIDE * SIDE * SEEDS // 4)
    wrong = boundary.above(runs) != (exact > 0)
    assert wrong.sum() <= 2
    assert (np.abs(exact[wrong]) < 3 * noise).all()


def test_both_sides_of_the_boundary_are_measured() -> None:
    margins = table(PLANES["circle"], noise=0.0)
    boundary, runs = search(margins, 400)
    above = margins.mean(axis=-1) > 0
    assert (boundary.above(runs) == above).all()
    for x, y in itertools.product(range(SIDE), range(SIDE)):
        for other in ((x + 1, y), (x, y + 1)):
            if max(other) < SIDE and above[x, y] != above[other]:
                assert {(x, y), other} <= runs.keys()


def test_it_ends_when_every_side_is_sure_or_its_seeds_are_spent() -> None:
    boundary, runs = search(table(PLANES["line"], noise=0.02), 10_000, error=0.1)
    left = [place for place in np.ndindex(SIDE, SIDE) if len(runs.get(place, {})) < SEEDS]
    assert len(left) > SIDE
    wrong = boundary.wrong(runs)
    assert max(wrong[place] for place in left) <= 0.1


def test_a_coarse_grid_comes_first_and_the_budget_is_kept() -> None:
    margins = table(PLANES["line"], noise=0.01)
    _, runs = search(margins, 25)
    assert set(runs) == set(itertools.product([0, 3, 6, 9, 12], repeat=2))
    assert spent(search(margins, 41, count=17)[1]) == 41


def test_seeds_are_spread_over_cells() -> None:
    _, runs = search(table(PLANES["line"], noise=0.01), 25)
    first = [next(iter(seeds)) for seeds in runs.values()]
    assert min(first.count(seed) for seed in range(SEEDS)) >= 3


def test_what_is_asked_depends_on_nothing_but_what_was_measured() -> None:
    margins = table(PLANES["circle"], noise=0.02)
    boundary, runs = search(margins, 70)
    shuffled = {place: dict(reversed(runs[place].items())) for place in reversed(runs)}
    fresh = Boundary((SIDE, SIDE), SEEDS, 0.05)
    assert fresh.ask(shuffled, 20) == boundary.ask(runs, 20)


def test_cells_that_diverge_lie_below_and_are_not_asked_again() -> None:
    margins = table(lambda x, y: np.where(x < 4, -np.inf, 0.1 * (y - 5.5)), noise=0.01)
    boundary, runs = search(margins, 300)
    above = boundary.above(runs)
    assert not above[:4].any()
    assert (above[4:] == (np.arange(SIDE) > 5.5)).all()
    assert all(len(seeds) == 1 for (x, _), seeds in runs.items() if x < 4)


def test_a_single_diverged_seed_puts_a_cell_below() -> None:
    runs: Runs = {place: {0: 0.5, 1: 0.5} for place in np.ndindex(3, 3)}
    runs[1, 1] = {0: 0.5, 1: -np.inf}
    boundary = Boundary((3, 3), 4, 0.05)
    assert not boundary.above(runs)[1, 1]
    assert boundary.wrong(runs)[1, 1] == 0


def test_failed_runs_are_not_asked_again() -> None:
    boundary, runs = Boundary((5,), 2, 0.05), Runs()
    asked = []
    while more := boundary.ask(runs, 3):
        asked += more
        for place, seed in more:
            runs.setdefault(place, {})[seed] = None if place == (2,) else 0.1 * (place[0] - 1.7)
    assert len(asked) == len(set(asked))
    assert boundary.above(runs)[[0, 1, 3, 4]].tolist() == [False, False, True, True]
    nothing: Runs = {(x,): {0: None, 1: None} for x in range(5)}
    assert boundary.ask(nothing, 3) == []


def test_cells_equal_to_the_baseline_are_left_alone() -> None:
    """The limit at which a method does nothing: no number of seeds would settle its side."""
    runs: Runs = {(x, y): {0: 0.1 * (y - 2.4)} for x in range(5) for y in range(5)}
    for x in range(5):
        runs[x, 2] = {0: 0.0, 1: 0.0}
    boundary = Boundary((5, 5), SEEDS, 0.05)
    assert (boundary.wrong(runs)[:, 2] == 0).all()
    assert not boundary.above(runs)[:, 2].any()
    assert all(y != 2 for (_, y), _ in boundary.ask(runs, 30))


def test_a_tolerance_saves_seeds_on_a_plateau_at_the_level() -> None:
    rng = np.random.default_rng(1)
    margins = 0.01 * rng.normal(size=(9, SEEDS)) + np.where(np.arange(9) < 4, -0.5, 0.002)[:, None]
    totals = []
    for tolerance in (0.0, 0.03):
        boundary, runs = Boundary((9,), SEEDS, 0.05, tolerance), Runs()
        while asked := boundary.ask(runs, 4):
            for place, seed in asked:
                runs.setdefault(place, {})[seed] = float(margins[(*place, seed)])
        totals.append(spent(runs))
        assert not boundary.above(runs)[:4].any()
    assert totals[1] < totals[0]


@pytest.mark.parametrize("lengths", [(1, 1), (2, 3), (40,), (3, 3, 3)])
def test_any_number_of_axes_and_values(lengths: tuple[int, ...]) -> None:
    exact = np.indices(lengths).sum(axis=0) - 0.45 * sum(lengths)
    boundary, runs = search(exact[..., None], 60)
    assert (boundary.above(runs) == (exact > 0)).all()
