"""What a curve comes to: its final value, its best, its end, the gap between them, its area."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regsearch.metrics import COURSE, reading

Curve = NDArray[np.floating[Any]]
"""One value per epoch, ``[E]``; NaN where it was not measured, and once the run has diverged."""

END = 10
"""Epochs that count as the end of training (volumization paper: "Last")."""


def best(curve: Curve, higher_is_better: bool) -> float | None:
    """Best finite value; ``None`` where there is none."""
    finite = curve[np.isfinite(curve)]
    if not finite.size:
        return None
    return float(finite.max() if higher_is_better else finite.min())


def last10(curve: Curve) -> float | None:
    """Mean over the last min(10, E) epochs, as far as they were measured; ``None`` if diverged."""
    return _mean(curve[-END:])


def last10pct(curve: Curve) -> float | None:
    """Mean over the last ceil(E / 10) epochs, as ``last10``: the value of a run for AdaDecay."""
    return _mean(curve[len(curve) * 9 // 10 :])


def area(curve: Curve) -> float | None:
    r"""Mean height of the curve, so that learning early counts; ``None`` if diverged.

    .. math:: \frac{1}{E - 1} \int_1^E c(t)\, dt

    by trapezoids between the epochs at which it was measured, from the first of them on; in the
    unit of the curve.
    """
    if not curve.size or not np.isfinite(curve[-1]):
        return None
    measured = np.flatnonzero(np.isfinite(curve))
    heights = curve[measured].astype(np.float64)
    span = measured[-1] - measured[0]
    return float(np.trapezoid(heights, measured) / span) if span else float(heights[0])


def gap(curve: Curve, higher_is_better: bool) -> float | None:
    """How much worse the end is than the best, at least 0: the price of training too long."""
    top, end = best(curve, higher_is_better), last10(curve)
    if top is None or end is None:
        return None
    return top - end if higher_is_better else end - top


def value_at(curve: Curve, at: str, higher_is_better: bool) -> float | None:
    """What ``metric.at`` asks for: last, best, last10, last10pct, gap, area or epoch:N."""
    found = {
        "best": lambda: best(curve, higher_is_better),
        "gap": lambda: gap(curve, higher_is_better),
        "last10": lambda: last10(curve),
        "last10pct": lambda: last10pct(curve),
        "area": lambda: area(curve),
    }
    if at in found:
        return found[at]()
    epoch = len(curve) if at == "last" else int(at.removeprefix("epoch:"))
    return _finite(float(curve[epoch - 1])) if 1 <= epoch <= len(curve) else None


def summarize(curves: dict[str, Curve]) -> dict[str, float | None]:
    """Final value of each curve by its name, and ``NAME_best``, ``NAME_last10``, ``NAME_gap``.

    Of a hyper-parameter's course the final value alone.
    """
    summary: dict[str, float | None] = {}
    for name, curve in curves.items():
        summary[name] = _finite(float(curve[-1])) if curve.size else None
        if name.startswith(COURSE):
            continue
        higher = direction(name)
        summary[f"{name}_best"] = best(curve, higher)
        summary[f"{name}_last10"] = last10(curve)
        summary[f"{name}_gap"] = gap(curve, higher)
    return summary


def direction(name: str) -> bool:
    """Whether higher is better for a measured quantity such as ``test_accuracy``.

    Raises:
        KeyError: no metric or measurement has such a quantity.
    """
    read = reading(name)
    if read is None:
        raise KeyError(name)
    return read.higher_is_better


def _mean(end: Curve) -> float | None:
    if not end.size or not np.isfinite(end[-1]):
        return None
    return float(end[np.isfinite(end)].mean(dtype=np.float64))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
