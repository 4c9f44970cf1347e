"""What a measured quantity is: its name, unit and direction, and a pure function over K runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from torch import Tensor

from regsearch.cells import Tree
from regsearch.registry import Registry
from regsearch.units import UnitGroup


class Observed(NamedTuple):
    """What a metric may look at: one model state per run and its predictions on one split."""

    params: Tree  # [K, ...] each, as the layers use them
    outputs: Tensor  # [K, N, C], logits where targets are classes
    targets: Tensor  # [K, N] int64 classes, or [K, N, C] values
    groups: Sequence[UnitGroup] = ()  # of homogeneous units


class Metric(NamedTuple):
    """``measure(observed)`` gives one number per run, ``[K]``.

    ``of`` is ``predictions`` (reported per split, as ``test_accuracy``), ``weights`` (reported
    once, as ``weight_norm``) or ``units`` (once, where the model has homogeneous units).
    Predictions are measured where the data set's ``targets`` are of the kind named here.
    """

    description: str
    unit: str
    higher_is_better: bool
    of: Literal["predictions", "weights", "units"]
    measure: Callable[[Observed], Tensor]
    targets: Literal["classes", "values"] = "classes"


METRICS: Registry[Metric] = Registry("metric")
