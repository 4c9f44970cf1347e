"""Regularizers: each file holds one method."""

from regsearch.regularizers import none, volumization, weight_decay
from regsearch.regularizers._base import REGULARIZERS, Hparams, Plan, Regularizer

__all__ = ["REGULARIZERS", "Hparams", "Plan", "Regularizer", "none", "volumization", "weight_decay"]
