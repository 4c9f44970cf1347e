"""Distributions that a search may draw a hyper-parameter from, with Ray's names and meanings.

Bounds are values, never exponents. Each has a ``size``, the number of its values (``None``: a
continuum); ``at(u)``, its quantile function for ``u`` in [0, 1), by which any sequence in the unit
cube becomes values; ``has``, whether it may give a value; ``examples``, values that show all that
may be wrong with its values; and ``written``, what a file says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Uniform:
    """Every value from ``low`` to ``high`` with the same density."""

    low: float
    high: float
    size: None = None

    def at(self, share: float) -> float:
        r""":math:`l + u (h - l)`."""
        return self.low + share * (self.high - self.low)

    def has(self, value: Any) -> bool:
        """Within the bounds."""
        return _is_number(value) and self.low <= value <= self.high

    def examples(self) -> list[Any]:
        """Both ends, and a broken number between."""
        return [self.low, self.at(1 / math.pi), self.high]

    def written(self) -> dict[str, Any]:
        """``{uniform: [low, high]}``."""
        return {"uniform": [self.low, self.high]}


@dataclass(frozen=True)
class LogUniform(Uniform):
    """Every ratio of values from ``low`` to ``high`` with the same density."""

    def at(self, share: float) -> float:
        r""":math:`l (h / l)^u`, kept within the bounds."""
        return min(max(self.low * (self.high / self.low) ** share, self.low), self.high)

    def written(self) -> dict[str, Any]:
        """``{loguniform: [low, high]}``."""
        return {"loguniform": [self.low, self.high]}


@dataclass(frozen=True)
class Steps:
    """The multiples of ``step`` from ``low`` to ``high``, both included, equally likely."""

    low: float
    high: float
    step: float

    @property
    def size(self) -> int:
        """How many values there are."""
        return round((self.high - self.low) / self.step) + 1

    def at(self, share: float) -> float:
        """The value in place ``floor(u n)``."""
        return self.in_place(min(int(share * self.size), self.size - 1))

    def in_place(self, place: int) -> float:
        """``low + place * step``, as one would write it."""
        return as_written(self.low + place * self.step)

    def nearest(self, value: float) -> float:
        """The value next to ``value``, which may be off by rounding."""
        return self.in_place(round((value - self.low) / self.step))

    def has(self, value: Any) -> bool:
        """One of the values."""
        inside = _is_number(value) and self.low <= value <= self.high
        return bool(inside and self.nearest(value) == value)

    @property
    def values(self) -> tuple[float, ...]:
        """All of them."""
        return tuple(map(self.in_place, range(self.size)))

    def examples(self) -> list[Any]:
        """Both ends, and the value after the first."""
        return [self.in_place(0), self.in_place(1), self.in_place(self.size - 1)]

    def written(self) -> dict[str, Any]:
        """``{quniform: [low, high, step]}``."""
        return {"quniform": [self.low, self.high, self.step]}


@dataclass(frozen=True)
class Integers(Steps):
    """The integers from ``low`` to ``high``, both included, equally likely."""

    step: float = 1

    def written(self) -> dict[str, Any]:
        """``{randint: [low, high + 1]}``: in a file the upper bound is left out, as by Ray."""
        return {"randint": [int(self.low), int(self.high) + 1]}


@dataclass(frozen=True)
class Choice:
    """One of ``values``, equally likely."""

    values: tuple[Any, ...]

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    def at(self, share: float) -> Any:
        """The value in place ``floor(u n)``."""
        return self.values[min(int(share * self.size), self.size - 1)]

    def has(self, value: Any) -> bool:
        """One of the values."""
        return value in self.values

    def examples(self) -> list[Any]:
        """All of them."""
        return list(self.values)

    def written(self) -> dict[str, Any]:
        """``{choice: [...]}``."""
        return {"choice": list(self.values)}


Distribution = Uniform | Steps | Choice


def read_distribution(raw: Any) -> Distribution | None:
    """The distribution that ``raw``, as read from a file, stands for; ``None``: it stands for none.

    Raises:
        ValueError: its bounds make no distribution.
    """
    if not (isinstance(raw, dict) and len(raw) == 1):
        return None
    [(rule, bounds)] = raw.items()
    return _READERS[rule](bounds) if rule in _READERS else None


def as_written(value: float) -> float:
    """Twelve digits, so that a computed value is the one that a person would have written."""
    rounded = float(f"{value:.12g}") + 0.0
    return int(rounded) if rounded.is_integer() else rounded


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(rule: str, bounds: Any, *names: str) -> list[Any]:
    if not (
        isinstance(bounds, list) and len(bounds) == len(names) and all(map(_is_number, bounds))
    ):
        raise ValueError(f"{rule}: needs [{', '.join(names)}], got {json.dumps(bounds)}")
    if bounds[0] >= bounds[1]:
        raise ValueError(
            f"{rule}: needs its lower bound below its upper, got {bounds[0]:g} and {bounds[1]:g}"
        )
    return bounds


def _uniform(bounds: Any) -> Distribution:
    return Uniform(*_numbers("uniform", bounds, "low", "high"))


def _log_uniform(bounds: Any) -> Distribution:
    low, high = _numbers("loguniform", bounds, "low", "high")
    if low <= 0:
        raise ValueError(
            f"loguniform: needs a lower bound above 0, got {low:g}; 0 has no logarithm"
        )
    return LogUniform(low, high)


def _steps(bounds: Any) -> Distribution:
    low, high, step = _numbers("quniform", bounds, "low", "high", "step")
    if step <= 0:
        raise ValueError(f"quniform: needs a step above 0, got {step:g}")
    count = (high - low) / step
    if abs(count - round(count)) > 1e-9 * max(1.0, count):
        raise ValueError(
            f"quniform: needs a whole number of steps from its lower bound to its upper, "
            f"got {count:g} of {step:g}"
        )
    return Steps(low, high, step)


def _integers(bounds: Any) -> Distribution:
    low, high = _numbers("randint", bounds, "low", "high (left out)")
    if not (isinstance(low, int) and isinstance(high, int)):
        raise ValueError(f"randint: needs whole numbers, got {json.dumps(bounds)}")
    if high - low < 2:
        raise ValueError(
            f"randint: leaves its upper bound out, so that [{low}, {high}] is {low} alone"
        )
    return Integers(low, high - 1)


def _choice(bounds: Any) -> Distribution:
    if not (isinstance(bounds, list) and bounds):
        raise ValueError(f"choice: needs a list of values, got {json.dumps(bounds)}")
    return Choice(tuple(bounds))


_READERS: dict[str, Callable[[Any], Distribution]] = {
    "uniform": _uniform,
    "quniform": _steps,
    "loguniform": _log_uniform,
    "randint": _integers,
    "choice": _choice,
}
