"""What a measured quantity is: its name, unit and direction, and a pure function over K runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field
from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.metrics._histogram import Histograms
from regsearch.pixels import Pixels
from regsearch.registry import Registry
from regsearch.space import Kind
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


class MeasurementConfig(Kind):
    """Settings that every measurement has."""

    every: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="epochs from one time to the next, and at the end; null: at the end"),
    ] = None

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Whether to measure after ``epoch`` (from 1) of ``epochs``."""
        return epoch == epochs or (self.every is not None and epoch % self.every == 0)


class Subject(NamedTuple):
    """What a measurement looks at: K trained models and the data that they saw or did not see."""

    model: nn.Module  # in eval mode, without data of its own
    params: Tree  # [K, ...] each
    buffers: Tree
    weights: Tree  # [K, ...] each, as the layers use them, under the layers' own names
    x_train: Tensor  # [N, ...]
    y_train: Tensor  # [K, N] int64, as trained on, or [K, N, C]
    y_true: Tensor | None  # [N], what y_train was before; None: targets are values
    x_test: Tensor  # [T, ...]
    y_test: Tensor  # [K, T] or [K, T, C]
    seed: Tensor  # [K], int64
    chunk: int  # examples that fit in memory at a time, with gradients
    pixels: Pixels | None = None  # the scale of x; None: it is not known, or x is no image
    seen: int = 0  # examples that each run has been trained on, counted every time


class Quantity(NamedTuple):
    """One number per run, and how to read it."""

    description: str
    unit: str
    higher_is_better: bool


class Outline(NamedTuple):
    """What is known of a study's runs before they start: shapes and kinds, one example of each."""

    model: nn.Module  # without data
    x: Tensor  # [1, ...], words if int64
    y: Tensor  # [1] int64, a class; or [1, C], values
    pixels: Pixels | None = None  # as in ``Subject``
    y_test: Tensor | None = None  # [T], all test examples


def of_any(config: Any, outline: Outline) -> None:
    """No model and no data is refused."""


def of_no_file(config: Any) -> str | None:
    """The config says all."""
    return None


class Measurement(NamedTuple):
    """A dear measurement, made at the end or every so many epochs, as a study asks.

    ``names(config)`` are the quantities of ``measure(subject, config)``, ``[K]`` each. A name is
    one of ``quantities``, or ends in ``_`` and one of these or of the metrics, as
    ``pgd_0.03_accuracy``. Histograms may come with them, under names of their own; the newest are
    kept. ``check(config, outline)`` raises ``SpecError`` where it cannot be made, before anything
    is trained. ``fingerprint(config)`` identifies files that it reads, which are part of a run's
    identity.
    """

    config: type[MeasurementConfig]
    description: str
    names: Callable[[Any], list[str]]
    measure: Callable[[Subject, Any], Mapping[str, Tensor | Histograms]]
    quantities: Mapping[str, Quantity] = MappingProxyType({})
    check: Callable[[Any, Outline], None] = of_any
    fingerprint: Callable[[Any], str | None] = of_no_file


MEASUREMENTS: Registry[Measurement] = Registry("measurement")


COURSE = "course."
"""Begins the name of a hyper-parameter that changes while runs train, by epoch."""


def reading(name: str) -> Metric | Quantity | None:
    """How to read the quantity ``name``, such as ``test_accuracy``; ``None``: it is unknown."""
    if name.startswith(COURSE):
        return Quantity("value in effect in an epoch", "", higher_is_better=True)
    known: dict[str, Metric | Quantity] = {metric: METRICS[metric] for metric in METRICS}
    for kind in MEASUREMENTS:
        known |= MEASUREMENTS[kind].quantities
    rest = name
    while rest not in known and "_" in rest:
        rest = rest.partition("_")[2]
    return known.get(rest)
