"""Measured quantities: metrics after every epoch, and dearer measurements where a study asks."""

from regsearch.metrics import (
    attack,
    cost,
    gbr,
    layers,
    lipschitz,
    memorisation,
    predictions,
    units,
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

__all__ = [
    "MEASUREMENTS",
    "METRICS",
    "Measurement",
    "MeasurementConfig",
    "Metric",
    "Observed",
    "Outline",
    "Quantity",
    "Subject",
    "attack",
    "cost",
    "gbr",
    "layers",
    "lipschitz",
    "memorisation",
    "predictions",
    "reading",
    "units",
    "weights",
]
