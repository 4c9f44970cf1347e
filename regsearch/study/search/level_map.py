"""Which cells of a grid lie above a level, as far as noisy runs in some of them can tell."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Place = tuple[int, ...]
"""A cell of a grid: one index per axis."""

Run = tuple[Place, int]
"""A cell and the number of a seed."""

MOST_FITTED = 250
"""Runs, evenly over all, that the length scales are fitted to; all enter the map."""

MOST_STEPS = 25
"""Of the fit: the map is a guide, and its last digits are not worth the time."""

_APART, _TOGETHER = 1e6, 1e-6  # length scales at which a coordinate matters not at all, or wholly
_NO_SEED = -1.0


class LevelMap(NamedTuple):
    """Distance of every cell from the level: a normal distribution, in units of its own.

    ``mean`` is ``[cells]``, above 0 where a cell's mean over all seeds lies above the level.
    ``covariance`` is ``[cells + candidates, cells + candidates]``: of the cells, then of the runs
    that may come next. ``noise`` is a run's own variance, ``unit`` the margin that 1 stands for.
    """

    mean: Array
    covariance: Array
    noise: float
    unit: float

    def wrong(self, tolerance: float = 0.0) -> Array:
        r"""Probability of the other side than the mean's, by more than ``tolerance``, [cells].

        .. math:: p_i = \Phi\left(-\frac{|\mu_i| + \epsilon}{\sigma_i}\right)
        """
        from scipy.stats import norm

        return np.asarray(
            norm.cdf(-(np.abs(self.mean) + tolerance / self.unit) / self._deviation())
        )

    def straddle(self) -> Array:
        r""":math:`1.96\,\sigma_i - |\mu_i|`, [cells]: large where either side may well be.

        The heuristic of Bryan et al., "Active learning for identifying function threshold
        boundaries" (2005).
        """
        return 1.96 * self._deviation() - np.abs(self.mean)

    def gain(self, cell: int, candidates: Sequence[int]) -> Array:
        r"""How much each of some candidates would take off the variance of a cell.

        .. math:: \Delta_r = \frac{\Sigma_{ir}^2}{\Sigma_{rr} + s^2}
        """
        runs = len(self.mean) + np.asarray(candidates, dtype=int)
        own = np.diag(self.covariance)[runs]
        return np.asarray(self.covariance[cell, runs] ** 2 / (own + self.noise))

    def expecting(self, candidate: int) -> LevelMap:
        r"""The map once a candidate is in, if it comes out as expected.

        .. math:: \Sigma' = \Sigma - \frac{\Sigma_{\cdot r} \Sigma_{r \cdot}}{\Sigma_{rr} + s^2}
        """
        run = len(self.mean) + candidate
        row = self.covariance[run]
        less = np.outer(row, row) / (row[run] + self.noise)
        return self._replace(covariance=self.covariance - less)

    def _deviation(self) -> Array:
        variance = np.diag(self.covariance)[: len(self.mean)]
        return np.sqrt(np.clip(variance, 1e-18, None))


class LevelProcess:
    r"""A Gaussian process (scikit-learn's) through the margins of runs over the level.

    A run of seed :math:`s` in the cell at :math:`x` is what all seeds have in common, what this
    seed does to the cells around, and noise. Margins are squashed, so that a cliff far from the
    level, or a cell in which a run diverged (``-inf``), does not shape the map at the level:

    .. math:: \tanh(m_{xs} / u) = f(x) + g_s(x) + \varepsilon, \qquad
        \operatorname{cov} f = a^2 k, \quad \operatorname{cov} g_s = b^2 k, \quad
        \operatorname{var} \varepsilon = s^2

    with :math:`k` a Matern kernel with one length scale per axis, in grid steps, and :math:`u` the
    median of the cells' mean margins in size. What is mapped is the mean over the study's
    seeds, :math:`F = f + \frac1S \sum_s g_s`.

    Args:
        lengths: of the grid's axes.
        seeds: how many the study has.
        runs: that were measured.
        margins: of these runs.
        unit: the margin :math:`u`.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        seeds: int,
        runs: Sequence[Run],
        margins: Sequence[float],
        unit: float,
    ) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor

        self._seeds, self._unit = seeds, unit
        self._cells = np.array(list(np.ndindex(*lengths)), dtype=np.float64)
        inputs, outputs = _rows(runs, len(lengths)), np.tanh(np.asarray(margins) / unit)
        kernel = fit_kernel(inputs, outputs)
        self._fitted = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-8)
        self._fitted.fit(inputs, outputs)

    def map(self, candidates: Sequence[Run] = ()) -> LevelMap:
        """Where the cells lie, given all runs; ``candidates`` are runs that may come next."""
        from scipy.linalg import solve_triangular

        kernel = self._fitted.kernel_
        inputs, cells = self._fitted.X_train_, len(self._cells)
        rows = _rows(candidates, self._cells.shape[1])
        across = np.vstack([self._shared(inputs), kernel(rows, inputs)])
        between = self._shared(rows)
        prior = np.block([[self._shared(None), between], [between.T, kernel.k1(rows)]])
        half = solve_triangular(self._fitted.L_, across.T, lower=True)
        mean = across[:cells] @ self._fitted.alpha_
        return LevelMap(mean, prior - half.T @ half, float(kernel.k2.noise_level), self._unit)

    def _shared(self, rows: Array | None) -> Array:
        """Covariance of the mean over all seeds, in every cell, with runs or (None) with itself.

        Of what a seed does, a share 1 / S is in the mean.
        """
        smooth = self._fitted.kernel_.k1  # without the noise
        here = _with_seed(self._cells, _NO_SEED)
        there = _with_seed(self._cells, _NO_SEED - 1) if rows is None else rows
        same = _with_seed(there[:, :-1], _NO_SEED)
        other = smooth(here, there)
        return np.asarray(other + (smooth(here, same) - other) / self._seeds)


def fit_kernel(inputs: Array, outputs: Array) -> Any:
    """The kernel, of the form that ``LevelProcess`` says, of largest likelihood; rows as _rows."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    axes = inputs.shape[1] - 1
    apart, together = (_APART, _APART), (_TOGETHER, _TOGETHER)
    of_place = Matern([3.0] * axes + [_APART], [(0.7, 60.0)] * axes + [apart], nu=2.5)
    of_seed = Matern([_APART] * axes + [_TOGETHER], [apart] * axes + [together], nu=0.5)
    seeds = ConstantKernel(1.0, "fixed") + ConstantKernel(0.1, (1e-4, 10.0)) * of_seed
    noise = WhiteKernel(1e-2, (1e-4, 0.3))
    kernel = ConstantKernel(0.5, (0.02, 10.0)) * of_place * seeds + noise
    some = np.unique(np.linspace(0, len(inputs) - 1, MOST_FITTED).round().astype(int))
    with warnings.catch_warnings():  # that a value ended at its bound is no news
        warnings.simplefilter("ignore")
        fitted = GaussianProcessRegressor(kernel, optimizer=_a_few_steps, alpha=1e-8)
        return fitted.fit(inputs[some], outputs[some]).kernel_


def _a_few_steps(loss: Any, start: Any, bounds: Any) -> Any:
    from scipy.optimize import fmin_l_bfgs_b

    return fmin_l_bfgs_b(loss, start, bounds=bounds, maxiter=MOST_STEPS)[:2]


def _rows(runs: Sequence[Run], axes: int) -> Array:
    """Places and seeds as inputs of the process, [runs, axes + 1]."""
    rows = [(*place, seed) for place, seed in runs]
    return np.array(rows, dtype=np.float64).reshape(len(rows), axes + 1)


def _with_seed(places: Array, seed: float) -> Array:
    return np.hstack([places, np.full((len(places), 1), seed)])
