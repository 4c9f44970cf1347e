"""Optimizers for packs of runs: each file holds one update rule.

``TorchOptimizer`` brings any of them into a plain PyTorch loop; ``LaProp``, ``EntropySGD`` and
``AcceleratedSGD`` are those that torch has not.
"""

from regsearch.optim import accelerated_sgd, adam, entropy_sgd, laprop, rmsprop, sgd
from regsearch.optim._base import OPTIMIZERS, Optimizer, Slots
from regsearch.optim.for_torch import AcceleratedSGD, EntropySGD, LaProp, TorchOptimizer

__all__ = [
    "OPTIMIZERS",
    "AcceleratedSGD",
    "EntropySGD",
    "LaProp",
    "Optimizer",
    "Slots",
    "TorchOptimizer",
    "accelerated_sgd",
    "adam",
    "entropy_sgd",
    "laprop",
    "rmsprop",
    "sgd",
]
