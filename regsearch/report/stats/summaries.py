"""Several seeds as one number and its spread; NaN stands for a run without a value."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

Array = NDArray[np.float64]
Centre = Literal["mean", "trimmed_mean", "max", "min"]

TRIM = 0.1
"""Share of the seeds that a trimmed mean leaves out at each end, rounded down (AdaDecay paper)."""


class Spread(NamedTuple):
    """Mean, standard deviation (n - 1; NaN for one value) and number of values."""

    mean: Array
    sd: Array
    n: Array


class Error(NamedTuple):
    """Standard error of a centre, and the degrees of freedom of the t distribution it follows."""

    size: Array
    freedom: Array


def spread(values: Array) -> Spread:
    """Mean, standard deviation and count over the last axis (seeds) of ``[..., S]``."""
    finite = np.isfinite(values)
    n = finite.sum(-1)
    mean = divide(np.where(finite, values, 0.0).sum(-1), n)
    squares = np.where(finite, (values - mean[..., None]) ** 2, 0.0).sum(-1)
    return Spread(mean, np.sqrt(divide(squares, n - 1)), n.astype(np.float64))


def centre(values: Array, by: Centre = "mean") -> Array:
    """One number for the seeds of ``[..., S]``, NaN where there is none.

    ``trimmed_mean`` leaves out the lowest and the highest floor(n / 10) of n values: with fewer
    than ten seeds it is the mean.
    """
    if by == "mean":
        return spread(values).mean
    found = np.full(values.shape[:-1], np.nan)
    known = np.isfinite(values).any(-1)
    rows = np.where(np.isfinite(values), values, np.nan)[known]
    if by == "trimmed_mean":
        found[known] = trim_mean(rows, TRIM, axis=-1, nan_policy="omit") if len(rows) else []
    else:
        found[known] = (np.nanmax if by == "max" else np.nanmin)(rows, axis=-1)
    return found


def standard_error(values: Array, by: Centre = "mean") -> Error:
    r"""How far the centre of ``[..., S]`` is off by chance; NaN for an extreme, which is no mean.

    .. math:: \frac{1}{\sqrt{h}} \sqrt{\frac{\sum_i (w_i - \bar w)^2}{h - 1}}, \quad h = n - 2 g

    with the sample w whose g = floor(n / 10) values at each end are set to the next one inside,
    and h - 1 degrees of freedom (Tukey & McLaughlin, 1963); for a mean, g = 0.
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=-1)  # NaN comes last
    n = np.isfinite(ordered).sum(-1)
    cut = (TRIM * n).astype(int) if by == "trimmed_mean" else np.zeros_like(n)
    places = np.arange(values.shape[-1])
    inside = np.clip(places, cut[..., None], np.maximum(n - cut - 1, 0)[..., None])
    confined = np.where(places < n[..., None], np.take_along_axis(ordered, inside, -1), np.nan)
    kept = n - 2 * cut
    squares = spread(confined).sd ** 2 * (n - 1)
    size = np.sqrt(divide(squares, kept * (kept - 1)))
    size = size if by in ("mean", "trimmed_mean") else np.full_like(size, np.nan)
    return Error(size, kept - 1.0)


def divide(a: Array, b: Array) -> Array:
    """``a / b``, NaN where ``b`` is not positive."""
    positive = b > 0
    return np.where(positive, a / np.where(positive, b, 1), np.nan)
