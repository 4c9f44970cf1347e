"""What a measured quantity is: its name, unit and direction, and a pure function over K runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from regsearch.cells import Tree
from regsearch.registry import Registry


class Observed(NamedTuple):
    """What a metric may look at: one model state per run and its predictions on one split."""

    params: Tree  # [K, ...] each
    logits: Tensor  # [K, N, C]
    labels: Tensor  # [K, N], int64


class Metric(NamedTuple):
    """``measure(observed)`` gives one number per run, ``[K]``.

    ``of`` is ``predictions`` (reported per split, as ``test_accuracy``) or ``weights`` (reported
    once, as ``weight_norm``).
    """

    description: str
    unit: str
    higher_is_better: bool
    of: str
    measure: Callable[[Observed], Tensor]


METRICS: Registry[Metric] = Registry("metric")
