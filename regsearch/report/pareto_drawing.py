"""Draw Pareto fronts: every cell a point, the front a staircase, first objective against others."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regsearch.report.drawing import INK, MUTED, legend_above, look, new_figure, style, title_lines
from regsearch.report.pareto import ParetoInfo, Trade

CLICKABLE = 200  # points of a facet


class View(NamedTuple):
    """What the axes show, from low to high; cells beyond stand at the edge."""

    x: tuple[float, float]
    y: tuple[float, float]

    def inside(self, x: float, y: float) -> tuple[float, float]:
        """The place, or the nearest on the edge."""
        return min(max(x, self.x[0]), self.x[1]), min(max(y, self.y[0]), self.y[1])

    def edge(self, x: float, y: float) -> str:
        """A triangle that points to a place beyond; empty if it is inside."""
        if y < self.y[0] or y > self.y[1]:
            return "v" if y < self.y[0] else "^"
        return "<" if x < self.x[0] else ">" if x > self.x[1] else ""


def draw(info: ParetoInfo) -> Figure:
    """One column per facet, one row per objective after the first."""
    columns, rows = len(info.facets), len(info.objectives) - 1
    per_row = min(columns, 3)
    bands = math.ceil(columns / per_row)
    with style():
        width, letters = (4.1, 46) if per_row < 3 else (3.3, 36)
        figure = new_figure(width * per_row + 0.3, 3.2 * rows * bands + 0.4)
        grid = figure.subplots(rows * bands, per_row, squeeze=False)
        for ax in grid.flat[:]:
            ax.set_visible(False)
        for i, (title, trades) in enumerate(info.facets):
            for other in range(1, rows + 1):
                ax = grid[(i // per_row) * rows + other - 1, i % per_row]
                ax.set_visible(True)
                _draw_facet(ax, info, i, trades, other)
                ax.set_title("\n".join(title_lines(title, letters)) if other == 1 else "")
        _legend(figure, info)
    return figure


def _draw_facet(ax: Axes, info: ParetoInfo, index: int, trades: list[Trade], other: int) -> None:
    """Objective ``other`` along x, the first along y."""
    x, y = info.objectives[other], info.objectives[0]
    ax.set(xlabel=x.label, ylabel=y.label)
    ax.grid(True)
    view = View(*(_limits(info, trades, which) for which in (other, 0)))
    ax.set(xlim=view.x, ylim=view.y)
    _draw_crowd(ax, info, [trade for trade in trades if not trade.likely], index, other, view)
    for trade in trades:
        if trade.likely:
            _draw_likely(ax, info, trade, f"{index}:{trade.cell}", other)
    front = sorted((t for t in trades if t.front), key=lambda trade: trade.means[0])
    if len(info.objectives) == 2 and front:
        # a level holds until the next point where high is good, from it where low is
        where: Literal["post", "pre"] = "post" if info.goals[0] == "maximize" else "pre"
        stairs = [_place(info, trade, other) for trade in front]
        ax.step(*zip(*stairs, strict=True), where=where, color=INK, lw=1, alpha=0.55, zorder=1)
    for i, trade in enumerate(front, 1):
        ax.annotate(
            str(i), _place(info, trade, other), (4, 5),
            textcoords="offset points", size=6.5, zorder=5,
        ).set_in_layout(False)  # fmt: skip


def _limits(info: ParetoInfo, trades: list[Trade], which: int) -> tuple[float, float]:
    """Ends of the axis: all cells, or, where most of it would be empty, the front and half of them.

    Cells that are much worse than the front would press it into a corner.
    """
    what = info.objectives[which]
    every = np.array([trade.means[which] for trade in trades]) * what.scale
    likely = [trade for trade in trades if trade.likely] or trades
    ends = np.array([_ends(trade, which, what.scale) for trade in likely])
    if what.percent and what.summary != "gap":
        ends = ends.clip(0, 100)
    low, high = min(ends.min(), np.median(every)), max(ends.max(), np.median(every))
    whole = min(low, every.min()), max(high, every.max())
    if whole[1] - whole[0] <= 3 * (high - low):
        low, high = whole
    pad = 0.07 * (high - low) or 0.05 * abs(high) or 1.0
    return float(low - pad), float(high + pad)


def _ends(trade: Trade, which: int, scale: float) -> tuple[float, float]:
    mean, bar = trade.means[which] * scale, trade.sds[which] * scale
    return (mean - bar, mean + bar) if math.isfinite(bar) else (mean, mean)


def _draw_crowd(
    ax: Axes, info: ParetoInfo, trades: list[Trade], index: int, other: int, view: View
) -> None:
    """Cells off the front; too many of them are drawn at once, and cannot be clicked then."""
    looks: dict[tuple[str, str], list[Trade]] = {}
    for trade in trades:
        colour, marker = _look(info, trade)
        edge = view.edge(*_place(info, trade, other))
        marker = "x" if trade.diverged and not edge else edge or marker
        looks.setdefault((MUTED if trade.diverged else colour, marker), []).append(trade)
    for (colour, marker), alike in looks.items():
        face: dict[str, Any] = (
            {"mew": 1, "alpha": 0.7} if marker == "x" else {"mec": "none", "alpha": 0.4}
        )
        together = [alike] if len(trades) > CLICKABLE else [[trade] for trade in alike]
        for some in together:
            x, y = zip(*(view.inside(*_place(info, trade, other)) for trade in some), strict=True)
            points = ax.plot(x, y, marker, ms=4.5, color=colour, zorder=1, clip_on=False, **face)
            points[0].set_gid(f"{index}:{some[0].cell}" if len(some) == 1 else None)


def _draw_likely(ax: Axes, info: ParetoInfo, trade: Trade, gid: str, other: int) -> None:
    """A cell on the front, or, smaller and ringed, one that may be."""
    colour, marker = _look(info, trade)
    x, y = _place(info, trade, other)
    bars = [trade.sds[i] * info.objectives[i].scale for i in (other, 0)]
    bar_x, bar_y = (bar if math.isfinite(bar) else 0.0 for bar in bars)
    faint = 1.0 if trade.front else 0.45
    ax.errorbar(x, y, bar_y, bar_x, color=colour, lw=0.9, capsize=1.5, zorder=2, alpha=faint)
    ring: dict[str, Any] = {"ms": 7, "mec": "white", "mew": 0.8}
    if not trade.front:
        ring = {"ms": 5.5, "mfc": "white", "mec": colour, "mew": 1.2}
    point = ax.plot(x, y, marker, color=colour, zorder=4 if trade.front else 3, **ring)
    point[0].set_gid(gid)


def _look(info: ParetoInfo, trade: Trade) -> tuple[str, str]:
    """Colour and marker of a regularizer."""
    return look(info.regularizers.index(trade.regularizer))


def _place(info: ParetoInfo, trade: Trade, other: int) -> tuple[float, float]:
    """Where a cell is drawn, in the numbers that are shown."""
    x, y = info.objectives[other], info.objectives[0]
    return trade.means[other] * x.scale, trade.means[0] * y.scale


def _legend(figure: Figure, info: ParetoInfo) -> None:
    present = {trade.regularizer for _, trades in info.facets for trade in trades}
    handles = [
        Line2D([], [], ls="none", marker=look(i)[1], color=look(i)[0], label=name)
        for i, name in enumerate(info.regularizers)
        if name in present
    ]
    legend_above(figure, handles)
