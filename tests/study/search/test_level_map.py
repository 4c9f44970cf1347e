"""The map of a level: every number against scikit-learn, SciPy or linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor

from regsearch.study.search.level_map import LevelMap, LevelProcess, Run, fit_kernel

LENGTHS, SEEDS = (4, 3), 3


def some_map(cells: int = 4, candidates: int = 3) -> LevelMap:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(cells + candidates, cells + candidates))
    return LevelMap(rng.normal(size=cells), root @ root.T, noise=0.3, unit=2.0)


def test_wrong_is_the_tail_of_the_normal_distribution() -> None:
    known = LevelMap(np.array([0.0, 1.96, -3.0]), np.diag([4.0, 1.0, 9.0]), 0.1, unit=0.5)
    assert known.wrong() == pytest.approx([0.5, 0.025, norm.cdf(-1)], abs=1e-4)
    assert known.wrong(tolerance=0.5) == pytest.approx(norm.cdf([-0.5, -2.96, -4 / 3]))


def test_expected_runs_take_off_what_conditioning_takes_off() -> None:
    known = some_map()
    twice = known.expecting(0).expecting(2)
    both = [4, 6]
    within = known.covariance[np.ix_(both, both)] + known.noise * np.eye(2)
    across = known.covariance[:, both]
    np.testing.assert_allclose(
        twice.covariance, known.covariance - across @ np.linalg.inv(within) @ across.T, atol=1e-12
    )
    np.testing.assert_array_equal(twice.mean, known.mean)


def test_gain_is_what_a_run_takes_off_the_variance_of_a_cell() -> None:
    known = some_map()
    lost = [known.covariance[1, 1] - known.expecting(n).covariance[1, 1] for n in range(3)]
    assert known.gain(1, [0, 1, 2]) == pytest.approx(lost)


def measured() -> tuple[list[Run], list[float]]:
    rng = np.random.default_rng(3)
    every: list[Run] = [((x, y), s) for x in range(4) for y in range(3) for s in range(SEEDS)]
    runs = [run for run in every if (sum(run[0]) + run[1]) % 2]
    effects = [0.3, 0.0, -0.2]
    return runs, [0.4 * x - 0.5 + effects[s] + 0.05 * rng.normal() for (x, _), s in runs]


def test_the_map_is_the_posterior_of_the_mean_over_all_seeds() -> None:
    runs, margins = measured()
    known = LevelProcess(LENGTHS, SEEDS, runs, margins, unit=0.7).map()
    inputs = np.array([(*place, seed) for place, seed in runs], dtype=float)
    outputs = np.tanh(np.array(margins) / 0.7)
    kernel = fit_kernel(inputs, outputs)
    oracle = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-8).fit(inputs, outputs)
    every = np.array([(*place, s) for place in np.ndindex(*LENGTHS) for s in range(SEEDS)], float)
    mean, covariance = oracle.predict(every, return_cov=True)
    covariance -= kernel.k2.noise_level * np.eye(len(every))
    average = np.kron(np.eye(12), np.full((1, SEEDS), 1 / SEEDS))
    np.testing.assert_allclose(known.mean, average @ mean, atol=1e-6)
    np.testing.assert_allclose(known.covariance, average @ covariance @ average.T, atol=1e-6)


def test_candidates_are_runs_of_their_own_seed() -> None:
    runs, margins = measured()
    process = LevelProcess(LENGTHS, SEEDS, runs, margins, unit=0.7)
    candidates = [((0, 0), 0), ((3, 2), 2)]
    known = process.map(candidates)
    inputs = np.array([(*place, seed) for place, seed in runs], dtype=float)
    outputs = np.tanh(np.array(margins) / 0.7)
    oracle = GaussianProcessRegressor(fit_kernel(inputs, outputs), optimizer=None, alpha=1e-8)
    rows = np.array([(0, 0, 0), (3, 2, 2)], dtype=float)
    _, covariance = oracle.fit(inputs, outputs).predict(rows, return_cov=True)
    np.testing.assert_allclose(
        known.covariance[12:, 12:], covariance - known.noise * np.eye(2), atol=1e-6
    )
    alone = process.map().covariance  # the same to rounding: larger products are summed otherwise
    np.testing.assert_allclose(known.covariance[:12, :12], alone, rtol=1e-9, atol=1e-14)


def test_a_cell_far_below_does_not_pull_its_neighbours_down() -> None:
    """A cliff and a diverged run are squashed: the last cell stays as it is."""
    places = [((x, 0), 0) for x in range(8)]
    margins = [-1.0] * 3 + [0.5] * 5
    cliff = [-np.inf, -1e3, *margins[2:]]
    for values in (margins, cliff):
        known = LevelProcess((8, 1), 1, places, values, unit=0.5).map()
        assert (known.mean > 0).tolist() == [False] * 3 + [True] * 5
