"""Means, spreads and differences over seeds; NaN stands for a run without a value."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtr, ndtri, stdtr, stdtrit

Array = NDArray[np.float64]

LEVEL = 0.05
"""Size of every test, two-sided, not corrected for the number of cells."""


ROUNDING = 1e-9
"""A spread below this share of the mean is rounding: the values are equal."""


class Spread(NamedTuple):
    """Mean, standard deviation (n - 1; NaN for one value) and number of values."""

    mean: Array
    sd: Array
    n: Array


class Difference(NamedTuple):
    """Mean of ``a - b``, half-width of its 95 % interval, p-value and number of pairs.

    ``n`` is 0 where fewer than two seeds are common, and the two are compared as independent
    samples (Welch).
    """

    mean: Array
    half_width: Array
    p: Array
    n: Array


def spread(values: Array) -> Spread:
    """Mean, standard deviation and count over the last axis (seeds) of ``[..., S]``."""
    finite = np.isfinite(values)
    n = finite.sum(-1)
    mean = _divide(np.where(finite, values, 0.0).sum(-1), n)
    squares = np.where(finite, (values - mean[..., None]) ** 2, 0.0).sum(-1)
    return Spread(mean, np.sqrt(_divide(squares, n - 1)), n.astype(np.float64))


def difference(a: Array, b: Array) -> Difference:
    """Compare ``[..., S]`` with ``[..., S]`` or ``[S]``: paired over seeds that both have.

    The paired t-test needs two common seeds. Where there are fewer, Welch's test compares the two
    as independent samples; it needs two values on each side. Where there are fewer, too, the mean
    is given without interval and p-value.
    """
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    paired, welch = _paired(a, b), _welch(a, b)
    choose = paired.n >= 2
    return Difference(*(np.where(choose, x, y) for x, y in zip(paired, welch, strict=True)))


def seeds_needed(size: float, sd: float, power: float = 0.8) -> int | None:
    """Seeds with which a paired t-test finds a mean difference of ``size`` with this power.

    ``sd`` is the standard deviation of the paired differences; where it is 0, three seeds, which
    is what a constant difference takes to be believed. ``None`` where size is 0. Counts up
    from the normal approximation n = (z / d)^2, with d = size / sd and z the sum of both normal
    quantiles, by the exact power, which comes from the noncentral t distribution.
    """
    if not (size and math.isfinite(size) and math.isfinite(sd)):
        return None
    if sd <= ROUNDING * abs(size):
        return 3
    z, ratio = float(ndtri(1 - LEVEL / 2) + ndtri(power)), abs(size) / sd
    n = max(2, math.ceil((z / ratio) ** 2))
    while n < 1000 and _power(n, ratio) < power:
        n += 1
    return n


def _power(n: int, ratio: float) -> float:
    critical = stdtrit(n - 1, 1 - LEVEL / 2)
    return 1 - float(nctdtr(n - 1, ratio * math.sqrt(n), critical))


def _paired(a: Array, b: Array) -> Difference:
    mean, sd, n = spread(a - b)
    return _t_test(mean, sd / np.sqrt(np.maximum(n, 1)), n - 1, n)


def _welch(a: Array, b: Array) -> Difference:
    a_mean, a_sd, a_n = spread(a)
    b_mean, b_sd, b_n = spread(b)
    a_var, b_var = _divide(a_sd**2, a_n), _divide(b_sd**2, b_n)
    freedom = _divide((a_var + b_var) ** 2, _divide(a_var**2, a_n - 1) + _divide(b_var**2, b_n - 1))
    return _t_test(a_mean - b_mean, np.sqrt(a_var + b_var), freedom, np.zeros_like(a_mean))


def _t_test(mean: Array, error: Array, freedom: Array, n: Array) -> Difference:
    """Student's t; where there is no error, values differ with certainty or not at all.

    A constant difference of only two values can be chance (accuracies are multiples of 1/N), and is
    left undecided.
    """
    flat = error <= ROUNDING * np.abs(mean)
    known = np.isfinite(error) & ~(flat & (mean != 0) & ~(freedom >= 2))
    freedom = np.where(np.isfinite(freedom) & (freedom > 0), freedom, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stdtr(freedom, -np.abs(mean / error))
    p = np.where(flat, np.where(mean == 0, 1.0, 0.0), p)
    half_width = error * stdtrit(freedom, 1 - LEVEL / 2)
    nothing = np.full_like(mean, np.nan)
    return Difference(mean, np.where(known, half_width, nothing), np.where(known, p, nothing), n)


def _divide(a: Array, b: Array) -> Array:
    """``a / b``, NaN where ``b`` is not positive."""
    positive = b > 0
    return np.where(positive, a / np.where(positive, b, 1), np.nan)
