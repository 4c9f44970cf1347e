"""Many comparisons at once: p-values so adjusted that the 5 % hold for all of them together."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.stats import false_discovery_control

from regsearch.report.stats.intervals import LEVEL
from regsearch.report.stats.summaries import Array

Correction = Annotated[
    Literal["none", "holm", "benjamini_hochberg"],
    Field(
        description="for many comparisons; holm: no false mark at all in 95 % of studies, "
        "benjamini_hochberg: at most 5 % of the marks false on average"
    ),
]


def adjust(p: Array, correction: Correction) -> Array:
    r"""Adjusted p-values of one family; NaN is no comparison and stays NaN.

    ``holm`` (1979), of the m p-values in ascending order:

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1)\, p_{(j)})

    ``benjamini_hochberg`` (1995) controls the share of false discoveries, for comparisons that are
    independent or, as those with one baseline, positively dependent.
    """
    known = np.isfinite(p)
    adjusted = np.array(p, dtype=np.float64)
    if correction == "holm":
        adjusted[known] = _holm(adjusted[known])
    elif correction == "benjamini_hochberg" and known.any():
        adjusted[known] = false_discovery_control(adjusted[known])
    return adjusted


def correction_words(correction: Correction, comparisons: int) -> str:
    """``p < 5 % after Holm's correction over 12 comparisons``."""
    level = f"p < {LEVEL * 100:g} %"
    if comparisons < 2:
        return level
    if correction == "none":
        return f"{level} in each of {comparisons} comparisons, not corrected for their number"
    name = {"holm": "Holm's", "benjamini_hochberg": "Benjamini and Hochberg's"}[correction]
    return f"{level} after {name} correction over {comparisons} comparisons"


def _holm(p: Array) -> Array:
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
