"""What a teacher-student report shows: measured errors beside their closed forms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtr

from regsearch.report._base import Results
from regsearch.report.cell_values import Cells, seed_values
from regsearch.report.quantities import Quantity, known_quantity
from regsearch.report.stats import LEVEL, Array, spread
from regsearch.theory.teacher_student import (
    Noise,
    ridge_error,
    ridge_optimum,
    unregularized_error,
    volumized_error,
    volumized_optimum,
)

SIGMA, NOISE = "dataset.sigma", "dataset.noise"
V, DECAY = "volumization.v", "weight_decay.decay"
ERROR = "test_squared_error"

SHIFTS: dict[Noise, str] = {"uniform": "uniform shifts", "cauchy": "Cauchy shifts"}
"""The kinds of noise in words, in the order in which they are shown."""

ROUNDING = 1e-7
"""Deviations below this are those of float32 and of a finite training."""


class Point(NamedTuple):
    """One cell; ``at`` is V or the ridge coefficient, 0 without regularization.

    ``z`` is the deviation from ``theory`` in standard errors, on the scale of the normal
    distribution; NaN where there is no standard error, or no finite theory.
    """

    cell: str
    at: float
    mean: float
    error: float  # standard error of the mean over seeds
    n: int
    theory: float
    z: float


class Level(NamedTuple):
    """All cells under one noise, by ascending V and coefficient."""

    noise: Noise
    sigma: float
    boxes: list[Point]
    ridges: list[Point]
    none: list[Point]

    @property
    def optimum(self) -> tuple[float, float]:
        """V and error of the best box in theory."""
        best = volumized_optimum(self.sigma, self.noise)
        return float(best.at), float(best.error)

    @property
    def ridge(self) -> tuple[float, float]:
        """Coefficient and error of the best ridge in theory."""
        best = ridge_optimum(self.sigma, self.noise)
        return float(best.at), float(best.error)

    @property
    def unregularized(self) -> float:
        """Error of the unregularized student in theory."""
        return float(unregularized_error(self.sigma, self.noise))

    @property
    def points(self) -> list[Point]:
        """Every cell."""
        return [*self.boxes, *self.ridges, *self.none]


class TeacherStudentInfo(NamedTuple):
    """All that the pictures, the table and the verdict show."""

    what: Quantity
    levels: list[Level]  # by noise, then by sigma

    @property
    def noises(self) -> list[Noise]:
        """The kinds of noise that were studied."""
        return list(dict.fromkeys(level.noise for level in self.levels))

    def of(self, noise: Noise) -> list[Level]:
        """The levels of one kind of noise, by ascending sigma."""
        return [level for level in self.levels if level.noise == noise]


class Verdict(NamedTuple):
    """Whether the simulation agrees with the closed forms, all ``tested`` cells together."""

    tested: int
    beyond: int  # cells that deviate by more than ``limit``
    limit: float  # which the largest of so many exceeds by chance in 5 % of studies
    farthest: tuple[Level, Point] | None

    @property
    def agrees(self) -> bool:
        """Whether no cell is beyond what chance explains."""
        return self.tested > 0 and self.beyond == 0


def teacher_student_info(results: Results, cells: Cells) -> TeacherStudentInfo:
    """Means over seeds of every cell for which there is a closed form.

    These are volumization with alpha = 0 and an absolute volume, weight decay alone (which is
    ridge at convergence) and none.

    Raises:
        UnknownName: completed runs have no ``test_squared_error``.
    """
    what = known_quantity(ERROR, results)
    mean, sd, n = spread(seed_values(results, cells, what).to_numpy())
    table = cells.frame.assign(mean=mean, error=sd / np.sqrt(np.maximum(n, 1)), n=n)
    levels = [
        _level(noise, part)
        for noise in SHIFTS
        for _, part in table[(table[NOISE] == noise) & (table["n"] > 0)].groupby(SIGMA)
    ]
    return TeacherStudentInfo(what, levels)


def verdict(levels: Iterable[Level]) -> Verdict:
    r"""Compare every cell that has a standard error with its closed form.

    The largest of N standard normal deviations exceeds the limit z with probability 5 % where
    :math:`(2 \Phi(z) - 1)^N = 0.95`. Cells share their draws, which makes it rarer.
    """
    tested = [(level, p) for level in levels for p in level.points if not math.isnan(p.z)]
    if not tested:
        return Verdict(0, 0, math.nan, None)
    limit = -float(ndtri((1 - (1 - LEVEL) ** (1 / len(tested))) / 2))
    beyond = sum(abs(point.z) > limit for _, point in tested)
    return Verdict(len(tested), beyond, limit, max(tested, key=lambda pair: abs(pair[1].z)))


def best(points: list[Point]) -> Point | None:
    """The measured cell with the smallest mean."""
    return min(points, key=lambda point: point.mean, default=None)


def standard_normal(deviation: float, error: float, n: int) -> float:
    """Student's t of ``n`` values as the normal deviation that is as improbable."""
    if n < 2 or not math.isfinite(deviation):
        return math.nan
    if abs(deviation) <= ROUNDING:
        return 0.0
    t = math.inf if error == 0 else abs(deviation) / error
    return math.copysign(-float(ndtri(stdtr(n - 1, -t))), deviation)


def _level(noise: Noise, part: pd.DataFrame) -> Level:
    sigma = float(part[SIGMA].iloc[0])
    boxes = part[_has_hard_walls(part)]
    ridges = part[part["regularizer"] == "weight_decay"]
    none = part[part["regularizer"] == "none"]
    v, decay, zero = _column(boxes, V), _column(ridges, DECAY), np.zeros(len(none))
    return Level(
        noise,
        sigma,
        _points(boxes, v, volumized_error(v, sigma, noise)),
        _points(ridges, decay, ridge_error(decay, sigma, noise)),
        _points(none, zero, ridge_error(zero, sigma, noise)),
    )


def _has_hard_walls(part: pd.DataFrame) -> pd.Series[bool]:
    """Cells of volumization alone, clipping at V itself."""
    alone = part["regularizer"] == "volumization"
    if not alone.any():
        return alone
    return alone & (part["volumization.alpha"] == 0) & (part["volumization.volume"] == "absolute")


def _column(part: pd.DataFrame, name: str) -> Array:
    return part[name].to_numpy(dtype=np.float64) if len(part) else np.empty(0)


def _points(part: pd.DataFrame, at: Array, theory: Array) -> list[Point]:
    columns = (_column(part, name) for name in ("mean", "error", "n"))
    points = [
        Point(
            cell, float(x), float(mean), float(error), int(n), float(wanted),
            standard_normal(mean - wanted, error, int(n)),
        )
        for cell, x, mean, error, n, wanted in zip(part.index, at, *columns, theory, strict=True)
    ]  # fmt: skip
    return sorted(points, key=lambda point: point.at)
