"""The search space in Optuna's terms: a categorical choice of the entry, then its values."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from regsearch.study.distributions import Choice, Distribution, Integers, LogUniform, Steps
from regsearch.study.search.space import Axis, Entry, Point, Space

ENTRY = "regularizer"
"""Name of the parameter that says which entry of the search space a trial is of."""


class Parameters:
    """Names, distributions and values of a space, as Optuna has them."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._labels = space.labels
        seen = Counter(axis.name for entry in space.entries for axis in entry.axes)
        self._ambiguous = {name for name, count in seen.items() if count > 1}

    @property
    def conditional(self) -> bool:
        """Whether there is an entry to choose."""
        return len(self._labels) > 1

    def suggest(self, trial: Trial) -> Point:
        """Let ``trial`` choose a point."""
        index = 0
        if self.conditional:
            index = self._labels.index(trial.suggest_categorical(ENTRY, self._labels))
        entry = self._space.entries[index]
        chosen = (_suggest(trial, self._name(entry, axis), axis.domain) for axis in entry.axes)
        return Point(index, tuple(chosen))

    def values(self, point: Point) -> dict[str, Any]:
        """The parameters of a point."""
        entry = self._space.entries[point.entry]
        chosen = {ENTRY: self._labels[point.entry]} if self.conditional else {}
        return chosen | {
            self._name(entry, axis): _outer(value)
            for axis, value in zip(entry.axes, point.values, strict=True)
        }

    def laws(self, point: Point) -> dict[str, BaseDistribution]:
        """The distributions of a point's parameters."""
        entry = self._space.entries[point.entry]
        laws: dict[str, BaseDistribution] = {}
        if self.conditional:
            laws[ENTRY] = CategoricalDistribution(self._labels)
        return laws | {self._name(entry, axis): law(axis.domain) for axis in entry.axes}

    def grid(self) -> dict[str, list[Any]]:
        """All values of the only entry, by name; empty where they cannot be listed."""
        if self.conditional or self._space.size is None:
            return {}
        return {
            axis.name: [_outer(value) for value in axis.domain.values]
            for axis in self._space.entries[0].axes
            if isinstance(axis.domain, Choice | Steps)
        }

    def _name(self, entry: Entry, axis: Axis) -> str:
        """``volumization.v``, with the entry where several vary it: their domains may differ."""
        if axis.name in self._ambiguous:
            return f"{self._labels[entry.index]}: {axis.name}"
        return axis.name


def law(domain: Distribution) -> BaseDistribution:
    """The same distribution in Optuna's terms; its bounds are both included."""
    match domain:
        case Choice():
            return CategoricalDistribution([_outer(value) for value in domain.values])
        case Integers():
            return IntDistribution(int(domain.low), int(domain.high))
        case Steps():
            return FloatDistribution(domain.low, domain.high, step=domain.step)
        case _:
            return FloatDistribution(domain.low, domain.high, log=isinstance(domain, LogUniform))


def _suggest(trial: Trial, name: str, domain: Distribution) -> Any:
    match law(domain):
        case CategoricalDistribution(choices=choices) if isinstance(domain, Choice):
            return domain.values[choices.index(trial.suggest_categorical(name, choices))]
        case IntDistribution(low=low, high=high):
            return trial.suggest_int(name, low, high)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            value = trial.suggest_float(name, low, high, step=step, log=log)
            return domain.nearest(value) if isinstance(domain, Steps) else value


def _outer(value: Any) -> Any:
    """A value as Optuna can store it: a list is its JSON text."""
    is_plain = value is None or isinstance(value, bool | int | float | str)
    return value if is_plain else json.dumps(value)
