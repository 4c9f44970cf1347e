"""Measured quantities: on predictions (one value per split), on weights and on units."""

from regsearch.metrics import predictions, units, weights
from regsearch.metrics._base import METRICS, Metric, Observed

__all__ = ["METRICS", "Metric", "Observed", "predictions", "units", "weights"]
