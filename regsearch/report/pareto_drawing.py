"""Draw Pareto fronts: every cell a point, the front a staircase, first objective against others."""

from __future__ import annotations

import math
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regsearch.report.drawing import COLOURS, INK, MARKERS, MUTED, new_figure, style
from regsearch.report.pareto import ParetoInfo, Trade

CLICKABLE = 200  # points of a facet


def draw(info: ParetoInfo) -> Figure:
    """One column per facet, one row per objective after the first."""
    columns, rows = len(info.facets), len(info.objectives) - 1
    per_row = min(columns, 3)
    bands = math.ceil(columns / per_row)
    with style():
        width = 4.1 if per_row < 3 else 3.3
        figure = new_figure(width * per_row + 0.3, 3.2 * rows * bands + 0.4)
        grid = figure.subplots(rows * bands, per_row, squeeze=False)
        for ax in grid.flat[:]:
            ax.set_visible(False)
        for i, (title, trades) in enumerate(info.facets):
            for other in range(1, rows + 1):
                ax = grid[(i // per_row) * rows + other - 1, i % per_row]
                ax.set_visible(True)
                _draw_facet(ax, info, i, trades, other)
                ax.set_title(title if other == 1 else "")
        _legend(figure, info)
    return figure


def _draw_facet(ax: Axes, info: ParetoInfo, index: int, trades: list[Trade], other: int) -> None:
    """Objective ``other`` along x, the first along y."""
    x, y = info.objectives[other], info.objectives[0]
    ax.set(xlabel=x.label, ylabel=y.label)
    ax.grid(True)
    _draw_crowd(ax, info, [trade for trade in trades if not trade.front], index, other)
    for trade in trades:
        if trade.front:
            _draw_front(ax, info, trade, f"{index}:{trade.cell}", other)
    front = sorted((t for t in trades if t.front), key=lambda trade: trade.means[0])
    if len(info.objectives) == 2 and front:
        # a level holds until the next point where high is good, from it where low is
        where: Literal["post", "pre"] = "post" if info.goals[0] == "maximize" else "pre"
        stairs = [(t.means[1] * x.scale, t.means[0] * y.scale) for t in front]
        ax.step(*zip(*stairs, strict=True), where=where, color=INK, lw=1, alpha=0.55, zorder=1)
    for i, trade in enumerate(front, 1):
        ax.annotate(
            str(i), (trade.means[other] * x.scale, trade.means[0] * y.scale), (4, 5),
            textcoords="offset points", size=6.5, zorder=5,
        ).set_in_layout(False)  # fmt: skip


def _draw_crowd(ax: Axes, info: ParetoInfo, trades: list[Trade], index: int, other: int) -> None:
    """Cells off the front; too many of them are drawn at once, and cannot be clicked then."""
    looks: dict[tuple[str, str], list[Trade]] = {}
    for trade in trades:
        colour, marker = _look(info, trade)
        looks.setdefault((MUTED, "x") if trade.diverged else (colour, marker), []).append(trade)
    for (colour, marker), alike in looks.items():
        edge = {"mew": 1, "alpha": 0.7} if marker == "x" else {"mec": "none", "alpha": 0.35}
        together = [alike] if len(trades) > CLICKABLE else [[trade] for trade in alike]
        for some in together:
            x, y = zip(*(_place(info, trade, other) for trade in some), strict=True)
            points = ax.plot(x, y, marker, ms=4.5, color=colour, zorder=1, **edge)
            points[0].set_gid(f"{index}:{some[0].cell}" if len(some) == 1 else None)


def _draw_front(ax: Axes, info: ParetoInfo, trade: Trade, gid: str, other: int) -> None:
    colour, marker = _look(info, trade)
    x, y = _place(info, trade, other)
    bars = [trade.sds[i] * info.objectives[i].scale for i in (other, 0)]
    bar_x, bar_y = (bar if math.isfinite(bar) else 0.0 for bar in bars)
    ax.errorbar(x, y, bar_y, bar_x, color=colour, lw=0.9, capsize=1.5, zorder=2)
    point = ax.plot(x, y, marker, ms=7, color=colour, mec="white", mew=0.8, zorder=4)
    point[0].set_gid(gid)


def _look(info: ParetoInfo, trade: Trade) -> tuple[str, str]:
    """Colour and marker of a regularizer."""
    kind = info.regularizers.index(trade.regularizer)
    return COLOURS[kind % len(COLOURS)], MARKERS[kind % len(MARKERS)]


def _place(info: ParetoInfo, trade: Trade, other: int) -> tuple[float, float]:
    """Where a cell is drawn, in the numbers that are shown."""
    x, y = info.objectives[other], info.objectives[0]
    return trade.means[other] * x.scale, trade.means[0] * y.scale


def _legend(figure: Figure, info: ParetoInfo) -> None:
    present = {trade.regularizer for _, trades in info.facets for trade in trades}
    handles = [
        Line2D(
            [],
            [],
            ls="none",
            marker=MARKERS[i % len(MARKERS)],
            color=COLOURS[i % len(COLOURS)],
            label=name,
        )
        for i, name in enumerate(info.regularizers)
        if name in present
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=min(len(handles), 6))
