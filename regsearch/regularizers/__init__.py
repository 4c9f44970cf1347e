"""Regularizers: each file holds one method."""

from regsearch.regularizers import (
    adadecay,
    enc,
    group_lasso,
    lasso,
    none,
    path_norm,
    pathprox,
    random_decay,
    shifted_decay,
    unit_pruning,
    volumization,
    weight_decay,
    weight_norm,
    weight_norm_decay,
    weight_standardization,
)
from regsearch.regularizers._base import REGULARIZERS, Hparams, Plan, Quantizer, Regularizer

__all__ = [
    "REGULARIZERS",
    "Hparams",
    "Plan",
    "Quantizer",
    "Regularizer",
    "adadecay",
    "enc",
    "group_lasso",
    "lasso",
    "none",
    "path_norm",
    "pathprox",
    "random_decay",
    "shifted_decay",
    "unit_pruning",
    "volumization",
    "weight_decay",
    "weight_norm",
    "weight_norm_decay",
    "weight_standardization",
]
