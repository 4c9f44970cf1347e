"""Is one setting better than another? Paired over the seeds that both have."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import nctdtr, ndtri, stdtr, stdtrit

from regsearch.report.stats.intervals import (
    LEVEL,
    ROUNDING,
    Method,
    bootstrapped_difference,
    interval,
    is_flat,
)
from regsearch.report.stats.summaries import Array, divide, spread


class Difference(NamedTuple):
    """Mean of ``a - b``, half the length of its 95 % interval, p-value and number of pairs.

    ``n`` is 0 where fewer than two seeds are common, and the two are compared as independent
    samples (Welch). ``low`` and ``high`` are the limits of the interval.
    """

    mean: Array
    half_width: Array
    p: Array
    n: Array
    low: Array
    high: Array


def difference(a: Array, b: Array, method: Method = "t") -> Difference:
    """Compare ``[..., S]`` with ``[..., S]`` or ``[S]``: paired over seeds that both have.

    The paired t-test needs two common seeds. Where there are fewer, Welch's test compares the two
    as independent samples; it needs two values on each side. Where there are fewer, too, the mean
    is given without interval and p-value, of the common seed if there is one. With ``method``
    bootstrap, only the interval is another: the p-value is still that of the t-test.
    """
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    paired, welch = _paired(a, b), _welch(a, b)
    choose = (paired.n >= 2) | ((paired.n == 1) & ~np.isfinite(welch.p))
    found = Difference(*(np.where(choose, x, y) for x, y in zip(paired, welch, strict=True)))
    return _bootstrapped(a, b, found) if method == "bootstrap" else found


def seeds_needed(size: float, sd: float, power: float = 0.8, level: float = LEVEL) -> int | None:
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
    z, ratio = float(ndtri(1 - level / 2) + ndtri(power)), abs(size) / sd
    n = max(2, math.ceil((z / ratio) ** 2))
    while n < 1000 and _power(n, ratio, level) < power:
        n += 1
    return n


def _power(n: int, ratio: float, level: float) -> float:
    critical = stdtrit(n - 1, 1 - level / 2)
    return 1 - float(nctdtr(n - 1, ratio * math.sqrt(n), critical))


def _paired(a: Array, b: Array) -> Difference:
    mean, sd, n = spread(a - b)
    return _t_test(mean, sd / np.sqrt(np.maximum(n, 1)), n - 1, n)


def _welch(a: Array, b: Array) -> Difference:
    a_mean, a_sd, a_n = spread(a)
    b_mean, b_sd, b_n = spread(b)
    a_var, b_var = divide(a_sd**2, a_n), divide(b_sd**2, b_n)
    freedom = divide((a_var + b_var) ** 2, divide(a_var**2, a_n - 1) + divide(b_var**2, b_n - 1))
    return _t_test(a_mean - b_mean, np.sqrt(a_var + b_var), freedom, np.zeros_like(a_mean))


def _t_test(mean: Array, error: Array, freedom: Array, n: Array) -> Difference:
    """Student's t; where there is no error, values differ with certainty or not at all.

    A constant difference of only two values can be chance (accuracies are multiples of 1/N), and is
    left undecided.
    """
    flat = is_flat(error, mean)
    known = np.isfinite(error) & ~(flat & (mean != 0) & ~(freedom >= 2))
    freedom = np.where(np.isfinite(freedom) & (freedom > 0), freedom, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stdtr(freedom, -np.abs(mean / error))
    p = np.where(flat, np.where(mean == 0, 1.0, 0.0), p)
    nothing = np.full_like(mean, np.nan)
    half = np.where(known, error * stdtrit(freedom, 1 - LEVEL / 2), nothing)
    return Difference(mean, half, np.where(known, p, nothing), n, mean - half, mean + half)


def _bootstrapped(a: Array, b: Array, found: Difference) -> Difference:
    """``found`` with bootstrap intervals wherever it has an interval."""
    paired = interval(a - b, method="bootstrap")
    low, high = (np.array(limit, dtype=np.float64) for limit in paired)
    for place in np.ndindex(low.shape):
        if not np.isfinite(found.p[place]):
            low[place] = high[place] = np.nan
        elif not found.n[place]:
            one, other = (x[place][np.isfinite(x[place])] for x in (a, b))
            low[place], high[place] = bootstrapped_difference(one, other)
    return found._replace(half_width=(high - low) / 2, low=low, high=high)
