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
from regsearch.report.cell_values import (
    Cells,
    baseline_values,
    rank_cells,
    seed_values,
    why_fewer,
)
from regsearch.report.quantities import Quantity, number
from regsearch.report.stats import (
    LEVEL,
    Array,
    Correction,
    Method,
    adjust,
    difference,
    spread,
)

Segment = tuple[tuple[float, float], tuple[float, float]]


class Square(NamedTuple):
    """One cell of the plane; ``x`` and ``y`` are positions on the axes (0, 1, ...) or values.

    ``mean`` is NaN where no run has a value, and ``note`` then says why. In a difference map
    ``spread`` is half the length of the 95 % interval from ``low`` to ``high``, else the standard
    deviation over seeds. ``p`` is corrected; it belongs to the comparison with the baseline in a
    difference map, else with the best cell.
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
    p: float = math.nan
    low: float = math.nan
    high: float = math.nan


class Panel(NamedTuple):
    """One facet; segments run along the edges of squares."""

    title: str
    squares: list[Square]
    boundary: list[Segment]  # between better than the baseline and not
    outline: list[Segment]  # around the best and its equals; none where all have one seed
    beside: Beside


class Edge(NamedTuple):
    """A level of the quantity, or of its difference from the baseline, that bounds a region."""

    level: float
    of_difference: bool


class PhaseDiagramInfo(NamedTuple):
    """All that a picture shows; ``ticks`` are empty where cells lie at their values (no grid).

    ``correction`` is over all facets together: ``compared`` cells with the baseline, ``rivals``
    with the best cells.
    """

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
    correction: Correction
    compared: int
    rivals: int = 0
    interval: Method = "t"
    edge: Edge | None = None  # that the boundary lies at, rather than at what a test tells

    @property
    def tested(self) -> bool:
        """Whether any cell has the spread over seeds without which there is no test."""
        return any(math.isfinite(s.spread) for panel in self.panels for s in panel.squares)


def phase_diagram_info(
    results: Results,
    cells: Cells,
    axes: Axes,
    what: Quantity,
    baseline: str = "none",
    correction: Correction = "benjamini_hochberg",
    edge: Edge | None = None,
) -> PhaseDiagramInfo:
    """Mean over seeds in each cell, the best cell, its equals, and the baseline's boundary.

    With ``edge``, the boundary between cells on either side of it instead.
    """
    values = seed_values(results, cells, what)
    groups = facet_groups(cells, axes)
    table = _measured(cells, values.to_numpy()).loc[_shown(groups)]
    table = _against_baseline(table, cells, values, baseline, correction)
    table["better"] = _beyond(table, what, edge) if edge else _better(table, what, values.shape[1])
    compared = 0 if edge else int(table["p"].notna().sum())
    table = _mark_best(table, groups, values, what, correction)
    scale = _scale(cells, axes)
    panels = [
        _panel(title, table.loc[group.index], cells, axes, scale, values, what)
        for title, group in groups
    ]
    shown = [s.mean for p in panels for s in p.squares] + [
        point.mean for p in panels for bars in p.beside.groups for point in bars.points
    ]
    ticks = [number(v) for v in scale.x], [number(v) for v in scale.y]
    limits, clipped = _limits(shown)
    rivals = int(table["p"].notna().sum())
    return PhaseDiagramInfo(
        axes, what, what.label, panels, *ticks, limits, clipped, False, baseline,
        correction, compared, rivals, edge=edge,
    )  # fmt: skip


def difference_map_info(
    results: Results,
    cells: Cells,
    axes: Axes,
    what: Quantity,
    baseline: str = "none",
    correction: Correction = "benjamini_hochberg",
    interval: Method = "t",
) -> PhaseDiagramInfo:
    """Cell minus baseline, paired over common seeds, with the 95 % interval of the mean."""
    values = seed_values(results, cells, what)
    groups = facet_groups(cells, axes)
    table = _measured(cells, values.to_numpy()).loc[_shown(groups)]
    table = _against_baseline(table, cells, values, baseline, correction, interval)
    unmatched = table["difference"].isna() & (table["n"] > 0)
    table["note"] = table["note"].mask(unmatched, f"no {baseline} run to compare with")
    table["mean"], table["spread"] = table["difference"], table["half_width"]
    table["n"] = table["n"].mask(table["pairs"] > 0, table["pairs"]).astype(int)
    table["best"], table["tied"] = False, ~(table["p"] < LEVEL)
    scale = _scale(cells, axes)
    panels = [
        Panel(title, _squares(table.loc[group.index], axes, scale), [], [], Beside([], None))
        for title, group in groups
    ]
    far = _centred_limit([s.mean * what.direction for p in panels for s in p.squares])
    means = np.array([s.mean for p in panels for s in p.squares])
    clipped = bool((means < -far).any()), bool((means > far).any())
    label = f"{what.words}: difference from {baseline}{' (points)' if what.percent else ''}"
    ticks = [number(v) for v in scale.x], [number(v) for v in scale.y]
    compared = int(table["p"].notna().sum())
    return PhaseDiagramInfo(
        axes, what, label, panels, *ticks, (-far, far), clipped, True, baseline,
        correction, compared, 0, interval,
    )  # fmt: skip


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


def _shown(groups: Sequence[tuple[str, pd.DataFrame]]) -> list[str]:
    return [cell for _, group in groups for cell in group.index]


def _measured(cells: Cells, values: Array) -> pd.DataFrame:
    """``cells.frame`` with mean, spread, n and the reason why a cell has no value."""
    mean, sd, n = spread(values)
    table = cells.frame.assign(mean=mean, spread=sd, n=n.astype(int), low=np.nan, high=np.nan)
    table["note"] = [why_fewer(row) for row in table.to_dict("records")]
    return table


def _against_baseline(
    table: pd.DataFrame,
    cells: Cells,
    values: pd.DataFrame,
    baseline: str,
    correction: Correction,
    interval: Method = "t",
) -> pd.DataFrame:
    """``table`` with each cell's difference from the baseline, and its p-value, corrected.

    Cells of which a run diverged are not tested: their survivors are a selection.
    """
    base = pd.DataFrame(baseline_values(cells, values, baseline), index=cells.frame.index)
    base = base.loc[table.index]
    delta = difference(values.loc[table.index].to_numpy(), base.to_numpy(), interval)
    sound = np.where(table["diverged"] == 0, delta.p, np.nan)
    return table.assign(
        difference=delta.mean,
        half_width=delta.half_width,
        pairs=delta.n.astype(int),
        p=adjust(sound, correction),
        low=delta.low,
        high=delta.high,
        trains=base.notna().any(axis=1),
    )


def _better(table: pd.DataFrame, what: Quantity, seeds: int) -> Array:
    """1 where a cell beats the baseline at the 5 % level, 0 where it does not, NaN for unknown.

    Where the whole study has one seed there is no test, and the sign decides. A cell with a
    diverged run does not beat a baseline that trains.
    """
    tested = table["p"].notna()
    known = tested if seeds > 1 else table["difference"].notna()
    sure = (table["p"] < LEVEL) | ~tested
    better = ((table["difference"] * what.direction > 0) & sure).astype(float).where(known)
    lost = (table["diverged"] > 0) & table["trains"]
    return np.asarray(better.mask(lost, 0.0), dtype=np.float64)


def _beyond(table: pd.DataFrame, what: Quantity, edge: Edge) -> Array:
    """1 where a cell's mean is better than the edge, 0 where it is not or a run diverged."""
    values = table["difference"] if edge.of_difference else table["mean"]
    beyond = ((values - edge.level) * (what.direction or 1) > 0).astype(float)
    return np.asarray(beyond.where(values.notna()).mask(table["diverged"] > 0, 0.0))


def _mark_best(
    table: pd.DataFrame,
    groups: Sequence[tuple[str, pd.DataFrame]],
    values: pd.DataFrame,
    what: Quantity,
    correction: Correction,
) -> pd.DataFrame:
    """Each facet's best mean among the cells with most seeds and no diverged run; its equals.

    None where a search chose the seeds: it gives most of them where a question was open.
    """
    table = table.assign(best=False, tied=False, p=np.nan, low=np.nan, high=np.nan)
    for _, group in groups if what.direction else []:
        part = table.loc[group.index]
        best = rank_cells(part, values, what).index[:1]
        if len(best) and not part["unasked"].any():
            sound = part.index[(part["n"] > 0) & (part["diverged"] == 0)]
            against = difference(values.loc[sound].to_numpy(), values.loc[best[0]].to_numpy())
            table.loc[sound, "p"], table.loc[sound, "tied"] = against.p, True
            table.loc[best, "p"], table.loc[best, "best"] = np.nan, True
    table["p"] = adjust(table["p"].to_numpy(), correction)
    table["tied"] &= ~(table["p"] < LEVEL)
    return table


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
    rest = (part[name].tolist() for name in Square._fields[3:])
    rows = zip(part.index, x, y, *rest, strict=True)
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
