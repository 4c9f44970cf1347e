"""Between which limits a mean over seeds lies with 95 % confidence."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import stdtrit
from scipy.stats import DegenerateDataWarning, bootstrap, trim_mean

from regsearch.report.stats.summaries import TRIM, Array, Centre, centre, spread, standard_error

LEVEL = 0.05
"""Size of every test and one minus the confidence of every interval, two-sided."""

ROUNDING = 1e-9
"""A spread below this share of the mean is rounding: the values are equal."""

RESAMPLES = 2_000
ROWS = 64  # resampled at once

Method = Annotated[
    Literal["t", "bootstrap"],
    Field(description="95 % intervals: Student's t, or bootstrap (BCa), for ten seeds or more"),
]


class Interval(NamedTuple):
    """Lower and upper limit; NaN where there is none."""

    low: Array
    high: Array


def interval(values: Array, by: Centre = "mean", method: Method = "t") -> Interval:
    """The 95 % interval of the centre of ``[..., S]``; it takes two values, and no extreme has one.

    ``t``: Student's, for a trimmed mean that of Tukey and McLaughlin. ``bootstrap``: bias-corrected
    and accelerated (Efron, 1987), from 2,000 resamples that are the same at every call. Of normal
    values it holds the mean in 70 % of the cases with three seeds and in 87 % with five.
    """
    if method == "bootstrap":
        return _bootstrapped(values, by)
    middle, (size, freedom) = centre(values, by), standard_error(values, by)
    freedom = np.where(freedom > 0, freedom, 1.0)
    half = size * stdtrit(freedom, 1 - LEVEL / 2)
    return Interval(middle - half, middle + half)


def bootstrapped_difference(a: Array, b: Array) -> tuple[float, float]:
    """Bootstrap interval of mean(a) - mean(b) for two independent samples ``[n]`` and ``[m]``."""

    def statistic(a: Array, b: Array, axis: int) -> Array:
        difference: Array = a.mean(axis) - b.mean(axis)
        return difference

    low, high = _limits((a, b), statistic)
    return float(low), float(high)


def interval_words(method: Method) -> str:
    """``95 % interval``, and what a reader must know of a bootstrap."""
    if method == "t":
        return "95 % interval"
    return f"95 % bootstrap interval (BCa, {RESAMPLES:,} resamples; too short below ten seeds)"


def is_flat(spread: Array, mean: Array) -> NDArray[np.bool_]:
    """Whether values differ by rounding only."""
    flat: NDArray[np.bool_] = spread <= ROUNDING * np.abs(mean)
    return flat


def _bootstrapped(values: Array, by: Centre) -> Interval:
    rows = values.reshape(math.prod(values.shape[:-1]), values.shape[-1])
    mean, sd, n = spread(rows)
    flat = is_flat(sd, mean)
    limits = np.full((2, len(rows)), np.nan)
    if by in ("mean", "trimmed_mean"):
        limits[:, flat] = mean[flat]
        for chosen in _batches(np.where(flat | (n < 2), 0, n).astype(int)):
            finite = rows[chosen][np.isfinite(rows[chosen])].reshape(len(chosen), -1)
            limits[:, chosen] = _limits((finite,), _STATISTICS[by])
    low, high = limits.reshape(2, *values.shape[:-1])
    return Interval(low, high)


def _batches(n: NDArray[np.int_]) -> Iterator[NDArray[np.int_]]:
    """Places of equal ``n``, some at a time; 0 is left out."""
    for count in np.unique(n[n > 0]):
        places = np.flatnonzero(n == count)
        yield from np.array_split(places, -(-len(places) // ROWS))


def _limits(samples: tuple[Array, ...], statistic: Any) -> Interval:
    """BCa; percentiles where no single value moves the statistic, so that BCa has no answer."""
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", DegenerateDataWarning)
        low, high = _resampled(samples, statistic, "BCa")
    undefined = np.isnan(low) | np.isnan(high)
    if undefined.any():
        percentiles = _resampled(samples, statistic, "percentile")
        low = np.where(undefined, percentiles.low, low)
        high = np.where(undefined, percentiles.high, high)
    return Interval(low, high)


def _resampled(
    samples: tuple[Array, ...], statistic: Any, method: Literal["BCa", "percentile"]
) -> Interval:
    found = bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=1 - LEVEL,
        axis=-1,
        vectorized=True,
        method=method,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(np.asarray(found.low), np.asarray(found.high))


_STATISTICS = {"mean": np.mean, "trimmed_mean": partial(trim_mean, proportiontocut=TRIM)}
