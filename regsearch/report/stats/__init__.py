"""Statistics over seeds: centres, spreads, intervals, differences, many comparisons at once."""

from regsearch.report.stats.corrections import Correction, adjust, correction_words
from regsearch.report.stats.differences import Difference, difference, seeds_needed
from regsearch.report.stats.intervals import (
    LEVEL,
    ROUNDING,
    Interval,
    Method,
    interval,
    interval_words,
)
from regsearch.report.stats.summaries import (
    TRIM,
    Array,
    Centre,
    Error,
    Spread,
    centre,
    spread,
    standard_error,
)

__all__ = [
    "LEVEL",
    "ROUNDING",
    "TRIM",
    "Array",
    "Centre",
    "Correction",
    "Difference",
    "Error",
    "Interval",
    "Method",
    "Spread",
    "adjust",
    "centre",
    "correction_words",
    "difference",
    "interval",
    "interval_words",
    "seeds_needed",
    "spread",
    "standard_error",
]
