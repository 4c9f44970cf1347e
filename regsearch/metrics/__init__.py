"""Measured quantities: on predictions (one value per split) and on weights."""

from regsearch.metrics import predictions, weights
from regsearch.metrics._base import METRICS, Metric, Observed

__all__ = ["METRICS", "Metric", "Observed", "predictions", "weights"]
