"""Losses: each file holds one function of a model's outputs and the targets."""

from regsearch.losses import cross_entropy, generalized_cross_entropy, squared_error
from regsearch.losses._base import LOSSES, Loss, Targets

__all__ = [
    "LOSSES",
    "Loss",
    "Targets",
    "cross_entropy",
    "generalized_cross_entropy",
    "squared_error",
]
