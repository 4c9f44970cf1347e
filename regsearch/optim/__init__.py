"""Optimizers for packs of runs: each file holds one update rule."""

from regsearch.optim import adam, sgd
from regsearch.optim._base import OPTIMIZERS, Optimizer, Slots

__all__ = ["OPTIMIZERS", "Optimizer", "Slots", "adam", "sgd"]
