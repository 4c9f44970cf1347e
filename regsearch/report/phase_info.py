"""What a phase diagram shows: one value per measured cell, and which cells stand out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from regsearch.report._base import Results
from regsearch.report.axes import Axes, facet_groups
from regsearch.report.beside import Beside, beside_of
from regsearch.report.cell_values import Cells, baseline_values, rank_cells, seed_values
from regsearch.report.quantities import Quantity, number
from regsearch.report.stats import LEVEL, Array, Difference, difference, spread

Segment = tuple[tuple[float, float], tuple[float, float]]


class Square(NamedTuple):
    """One cell of the plane; ``x`` and ``y`` are positions on the axes (0, 1, ...) or values.

    ``mean`` is NaN where no run has a value, and ``note`` then says why. In a difference map
    ``spread`` is the half-width of the 95 % interval, else the standard deviation over seeds.
    """

    cell: str
    x: float
    y: float
    mean: float
    spread: float
    n: int
    diverged: int
    planned: int
    note: str
    best: bool = False
    tied: bool = False  # not distinguishable from the best, or from no difference


class Panel(NamedTuple):
    """One facet; segments run along the edges of squares."""

    title: str
    squares: list[Square]
    boundary: list[Segment]  # between better than the baseline and not
    outline: list[Segment]  # around the best and its equals; none where all have one seed
    beside: Beside


class PhaseDiagramInfo(NamedTuple):
    """All that a picture shows; ``ticks`` are empty where cells lie at their values (no grid)."""

    axes: Axes
    what: Quantity
    label: str
    panels: list[Panel]
    x_ticks: list[str]
    y_ticks: list[str]
    limits: tuple[float, float]
    clipped: tuple[bool, bool]  # values beyond the lower, the upper end of the colour scale
    diverging: bool
    baseline: str

    @property
    def tested(self) -> bool:
        """Whether any cell has the spread over seeds without which there is no test."""
        return any(math.isfinite(s.spread) for panel in self.panels for s in panel.squares)


def phase_diagram_info(
    results: Results, cells: Cells, axes: Axes, what: Quantity, baseline: str = "none"
) -> PhaseDiagramInfo:
    """Mean over seeds in each cell, the best cell, its equals, and the baseline's boundary."""
    values = seed_values(results, cells, what)
    base = baseline_values(cells, values, baseline)
    table = _measured(cells, values.to_numpy())
    table["better"] = _better(table, difference(values.to_numpy(), base), what, base)
    panels, scale = [], _scale(cells, axes)
    for title, group in facet_groups(cells, axes):
        part = _mark_best(table.loc[group.index], values, what)
        panels.append(_panel(title, part, cells, axes, scale, values, what))
    shown = [s.mean for p in panels for s in p.squares] + [
        point.mean for p in panels for bars in p.beside.groups for point in bars.points
    ]
    ticks = [number(v) for v in scale.x], [number(v) for v in scale.y]
    limits = _limits(shown)
    return PhaseDiagramInfo(axes, what, what.label, panels, *ticks, *limits, False, baseline)


def difference_map_info(
    results: Results, cells: Cells, axes: Axes, what: Quantity, baseline: str = "none"
) -> PhaseDiagramInfo:
    """Cell minus baseline, paired over common seeds, with the 95 % interval of the mean."""
    values = seed_values(results, cells, what)
    delta = difference(values.to_numpy(), baseline_values(cells, values, baseline))
    table = _measured(cells, values.to_numpy())
    table["note"] = np.where(
        np.isnan(delta.mean) & (table["n"] > 0), f"no {baseline} run to compare with", table["note"]
    )
    table["mean"], table["spread"] = delta.mean, delta.half_width
    table["n"] = np.where(delta.n > 0, delta.n, table["n"]).astype(int)
    table["best"], table["tied"] = False, ~(delta.p < LEVEL)
    panels, scale = [], _scale(cells, axes)
    for title, group in facet_groups(cells, axes):
        squares = _squares(table.loc[group.index], axes, scale)
        panels.append(Panel(title, squares, [], [], Beside([], None)))
    far = _centred_limit([s.mean * what.direction for p in panels for s in p.squares])
    means = np.array([s.mean for p in panels for s in p.squares])
    limits = (-far, far), (bool((means < -far).any()), bool((means > far).any()))
    label = f"{what.words}: difference from {baseline}{' (points)' if what.percent else ''}"
    ticks = [number(v) for v in scale.x], [number(v) for v in scale.y]
    return PhaseDiagramInfo(axes, what, label, panels, *ticks, *limits, True, baseline)


class _Scale(NamedTuple):
    """Tested values along the axes; empty where cells are scattered, and lie at their values."""

    x: list[object]
    y: list[object]

    def along_x(self, values: Sequence[object]) -> list[float]:
        return _positions(values, self.x)

    def along_y(self, values: Sequence[object]) -> list[float]:
        return _positions(values, self.y)


def _scale(cells: Cells, axes: Axes) -> _Scale:
    """A grid if cells fill at least half of it (or it is tiny), in at least one facet."""
    x = _tested(cells, axes, axes.x)
    if axes.y is None:
        return _Scale(x if len(x) <= 40 else [], [])
    y = _tested(cells, axes, axes.y)
    size = len(x) * len(y)
    fullest = max(len(group) for _, group in facet_groups(cells, axes))
    grid = size <= 16 or fullest >= 0.5 * size
    return _Scale(x, y) if grid else _Scale([], [])


def _tested(cells: Cells, axes: Axes, column: str) -> list[object]:
    """Numbers ascending, words in the order in which they were planned."""
    mine = cells.frame.loc[cells.frame["regularizer"] == axes.regularizer, column].dropna()
    tested = mine.unique().tolist()
    return sorted(tested) if pd.api.types.is_numeric_dtype(mine) else tested


def _positions(values: Sequence[object], tested: list[object]) -> list[float]:
    if not tested:
        return [float(value) for value in values]  # type: ignore[arg-type]
    order = {value: float(i) for i, value in enumerate(tested)}
    return [order[value] for value in values]


def _measured(cells: Cells, values: Array) -> pd.DataFrame:
    """``cells.frame`` with mean, spread, n and the reason why a cell has no value."""
    mean, sd, n = spread(values)
    table = cells.frame.assign(mean=mean, spread=sd, n=n.astype(int))
    table["note"] = [_note(row) for row in table.itertuples()]
    return table


def _note(row: NamedTuple | object) -> str:
    """``1 of 3 diverged, 1 not run yet``; empty where every planned run has a value."""
    words = {"diverged": "diverged", "failed": "failed", "stopped": "stopped early"}
    counts = {words.get(s, "not run yet"): getattr(row, s) for s in [*words, "missing"]}
    planned = getattr(row, "planned", 0)
    parts = [f"{n} of {planned} {word}" for word, n in counts.items() if n and n < planned]
    return ", ".join(parts or [word for word, n in counts.items() if n == planned])


def _better(table: pd.DataFrame, delta: Difference, what: Quantity, base: Array) -> Array:
    """1 where a cell beats the baseline at the 5 % level, 0 where it does not, NaN for unknown.

    Where the whole study has one seed there is no test, and the sign decides. A cell with a
    diverged run does not beat a baseline that trains.
    """
    tested = np.isfinite(delta.p)
    known = tested if base.shape[-1] > 1 else np.isfinite(delta.mean)
    sure = np.where(tested, delta.p < LEVEL, True)
    better = np.where(known, (delta.mean * what.direction > 0) & sure, np.nan)
    lost = (table["diverged"] > 0) & np.logical_or.reduce(np.isfinite(base), axis=-1)
    return np.where(lost, 0.0, better)


def _mark_best(part: pd.DataFrame, values: pd.DataFrame, what: Quantity) -> pd.DataFrame:
    """The best mean among the cells with most seeds and no diverged run, and its equals."""
    part = part.assign(best=False, tied=False)
    ranked = rank_cells(part, values, what)
    if not len(ranked) or not what.direction:
        return part
    best = ranked.index[0]
    sound = part.index[(part["n"] > 0) & (part["diverged"] == 0)]
    against = difference(values.loc[sound].to_numpy(), values.loc[best].to_numpy())
    part.loc[sound, "tied"] = ~(against.p < LEVEL)
    part.loc[best, ["best", "tied"]] = True
    return part


def _panel(
    title: str,
    part: pd.DataFrame,
    cells: Cells,
    axes: Axes,
    scale: _Scale,
    values: pd.DataFrame,
    what: Quantity,
) -> Panel:
    squares = _squares(part, axes, scale)
    beside = beside_of(cells, part.index[0], axes.regularizer, values, what)
    if axes.y is None or not scale.x:
        return Panel(title, squares, [], [], beside)
    place = [(int(s.x), int(s.y)) for s in squares]
    better = dict(zip(place, part["better"], strict=True))
    tied = dict(zip(place, part["tied"], strict=True))
    boundary = edges({p: yes > 0 for p, yes in better.items() if not math.isnan(yes)}, rim=False)
    several = part["tied"].sum() > 1 and part.loc[part["best"], "n"].max() > 1
    return Panel(title, squares, boundary, edges(tied, rim=True) if several else [], beside)


def _squares(part: pd.DataFrame, axes: Axes, scale: _Scale) -> list[Square]:
    x = scale.along_x(part[axes.x].tolist())
    y = scale.along_y(part[axes.y].tolist()) if axes.y else [0.0] * len(part)
    kept = ["mean", "spread", "n", "diverged", "planned", "note", "best", "tied"]
    rows = zip(part.index, x, y, *(part[name].tolist() for name in kept), strict=True)
    return [Square(*row) for row in rows]


def edges(inside: dict[tuple[int, int], bool], rim: bool) -> list[Segment]:
    """Edges between squares that are in and neighbours that are not.

    With ``rim``, an edge towards no square counts as well, so that the line closes.
    """
    lines: list[Segment] = []
    for (x, y), here in inside.items():
        if not here:
            continue
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            if not inside.get((x + dx, y + dy), not rim):
                cx, cy, tx, ty = x + dx / 2, y + dy / 2, abs(dy) / 2, abs(dx) / 2
                lines.append(((cx - tx, cy - ty), (cx + tx, cy + ty)))
    return lines


def _limits(means: Sequence[float]) -> tuple[tuple[float, float], tuple[bool, bool]]:
    """Ends of the colour scale: all values, or Tukey's fences where a few lie far outside.

    Without the fences, a corner of the plane where training breaks down would leave the rest of it
    in one colour.
    """
    finite = np.array([value for value in means if math.isfinite(value)])
    if not len(finite):
        return (0.0, 1.0), (False, False)
    q1, q3 = np.quantile(finite, [0.25, 0.75])
    inside = finite[(finite >= q1 - 1.5 * (q3 - q1)) & (finite <= q3 + 1.5 * (q3 - q1))]
    low, high = float(inside.min()), float(inside.max())
    if high - low < 1e-12 * max(1.0, abs(high)):
        pad = 0.01 * max(abs(high), 1e-3)
        return (low - pad, high + pad), (False, False)
    return (low, high), (bool(finite.min() < low), bool(finite.max() > high))


def _centred_limit(gains: Sequence[float]) -> float:
    """Half the colour scale of differences: the largest gain, or the bulk of the losses."""
    finite = np.array([value for value in gains if math.isfinite(value)])
    if not len(finite) or not np.abs(finite).max():
        return 1.0
    return float(max(finite.max(), np.quantile(np.abs(finite), 0.75)))
