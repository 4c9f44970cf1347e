"""What a loss is: the number that training makes small, of one run on one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from torch import Tensor

from regsearch.registry import Registry
from regsearch.space import Kind

Targets = Literal["classes", "values"]
"""What examples are labelled with: a class each, or real values."""


class Loss(NamedTuple):
    """``of(outputs, targets, hp, config)`` is the mean over the batch, a scalar.

    ``outputs`` are ``[B, C]``; ``targets`` are classes, ``[B]`` int64, or values, ``[B, C]``,
    whichever ``accepts`` names. ``hp`` holds the real-valued fields of ``config`` as scalar
    tensors of the dtype of ``outputs``; ``config`` is read for structure only. The function is
    written for one run, differentiated and vectorised over runs by the training step.
    """

    config: type[Kind]
    description: str
    accepts: tuple[Targets, ...]
    of: Callable[[Tensor, Tensor, dict[str, Tensor], Any], Tensor]


LOSSES: Registry[Loss] = Registry("loss", plural="losses")
