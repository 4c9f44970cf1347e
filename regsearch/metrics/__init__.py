"""Measured quantities: metrics after every epoch, and dearer measurements where a study asks."""

from regsearch.metrics import (
    attack,
    corruptions,
    cost,
    gbr,
    layers,
    lipschitz,
    memorisation,
    predictions,
    units,
    weight_histograms,
    weights,
)
from regsearch.metrics._base import (
    MEASUREMENTS,
    METRICS,
    Measurement,
    MeasurementConfig,
    Metric,
    Observed,
    Outline,
    Quantity,
    Subject,
    reading,
)
from regsearch.metrics._histogram import Histograms

__all__ = [
    "MEASUREMENTS",
    "METRICS",
    "Histograms",
    "Measurement",
    "MeasurementConfig",
    "Metric",
    "Observed",
    "Outline",
    "Quantity",
    "Subject",
    "attack",
    "corruptions",
    "cost",
    "gbr",
    "layers",
    "lipschitz",
    "memorisation",
    "predictions",
    "reading",
    "units",
    "weight_histograms",
    "weights",
]
