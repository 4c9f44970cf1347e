"""Draw cells at their values: scattered over a plane, or along one hyper-parameter."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from regsearch.report.beside_drawing import draw_beside
from regsearch.report.drawing import (
    ACCENT,
    COLOURS,
    EMPTY,
    INK,
    MUTED,
    colour_bar,
    colour_map,
    colour_scale,
    new_figure,
)
from regsearch.report.phase_info import Panel, PhaseDiagramInfo


def draw_points(info: PhaseDiagramInfo, cmap: Colormap, norm: Normalize) -> Figure:
    """Every cell as a point at its values, coloured by its mean; nothing in between."""
    columns = min(3, len(info.panels))
    rows = math.ceil(len(info.panels) / columns)
    figure = new_figure(3.3 * columns + 1.2, 3.1 * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for index, ax in enumerate(grid.flat):
        ax.set_visible(index < len(info.panels))
        if index < len(info.panels):
            _scatter(ax, info.panels[index], index, info, cmap, norm)
            ax.set_title(info.panels[index].title)
            ax.set_xlabel(info.axes.x.rpartition(".")[2])
        if index % columns == 0:
            ax.set_ylabel((info.axes.y or "").rpartition(".")[2])
    better = " · brighter is better" if info.what.direction and not info.diverging else ""
    label = f"{info.label}{better}"
    colour_bar(list(grid.flat), cmap, norm, label, info.clipped)
    return figure


def draw_line(info: PhaseDiagramInfo) -> Figure:
    """Mean and standard deviation along one hyper-parameter, the baseline as a level."""
    columns = min(3, len(info.panels))
    rows = math.ceil(len(info.panels) / columns)
    beside = any(panel.beside.groups for panel in info.panels)
    figure = new_figure(3.3 * columns + 0.4, (4.0 if beside else 2.7) * rows)
    heights = [2.4, 1.0] * rows if beside else [2.4] * rows
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    cmap = colour_map(info.what.direction, info.diverging)
    norm = colour_scale(info.limits, info.what.scale)
    for index, panel in enumerate(info.panels):
        row, column = divmod(index, columns)
        ax = figure.add_subplot(grid[row * (2 if beside else 1), column])
        _draw_series(ax, panel, index, info)
        ax.set_title(panel.title)
        if column == 0:
            ax.set_ylabel(textwrap.fill(info.label, 36), size=7.5)
        else:
            ax.tick_params(labelleft=False)
        if panel.beside.groups:
            below = figure.add_subplot(grid[row * 2 + 1, column])
            draw_beside(below, panel, info, cmap, norm, first=column == 0)
    return figure


def _scatter(
    ax: Axes, panel: Panel, index: int, info: PhaseDiagramInfo, cmap: Colormap, norm: Normalize
) -> None:
    for square in panel.squares:
        known = math.isfinite(square.mean)
        colour = cmap(norm(square.mean * info.what.scale)) if known else EMPTY
        bold = (info.diverging and not square.tied) or (not info.diverging and square.tied)
        marker = "*" if square.best else "o" if known else "X"
        size = 13 if square.best else 7
        edge = (INK, 1.1) if bold else (MUTED, 0.4)
        line = ax.plot(
            square.x, square.y, marker, ms=size, color=colour, mec=edge[0], mew=edge[1], zorder=2
        )
        line[0].set_gid(f"{index}:{square.cell}")
        if square.diverged and known:
            ax.plot(square.x, square.y, "x", ms=5, color=ACCENT, mew=1)
    _log_where_wide(ax, panel)
    ax.grid(True)


def _draw_series(ax: Axes, panel: Panel, index: int, info: PhaseDiagramInfo) -> None:
    squares = sorted(panel.squares, key=lambda square: square.x)
    scale = info.what.scale
    shown = [s for s in squares if math.isfinite(s.mean)]
    ax.plot([s.x for s in shown], [s.mean * scale for s in shown], color=COLOURS[0], lw=1.3)
    for square in shown:
        error = square.spread * scale if math.isfinite(square.spread) else 0
        ax.errorbar(square.x, square.mean * scale, error, color=COLOURS[0], lw=1, capsize=2.5)
        marker, size = ("*", 11) if square.best else ("o", 5.5)
        face = COLOURS[0] if square.tied or info.diverging else "white"
        point = ax.plot(square.x, square.mean * scale, marker, ms=size, color=face, mec=COLOURS[0])
        point[0].set_gid(f"{index}:{square.cell}")
    base = ax.get_xaxis_transform()
    for square in squares:
        if square.diverged or not math.isfinite(square.mean):
            ax.text(square.x, 0.02, square.note, transform=base, rotation=90, size=6, color=ACCENT)
    level = 0.0 if info.diverging else panel.beside.baseline and panel.beside.baseline[0] * scale
    if level is not None:
        ax.axhline(level, color=ACCENT, lw=1, ls="--", zorder=1)
        ax.annotate(
            info.baseline, (1, level), (3, 0), xycoords=("axes fraction", "data"), size=7,
            textcoords="offset points", color=ACCENT, va="center", annotation_clip=False,
        )  # fmt: skip
    if info.x_ticks:
        ax.set_xticks(range(len(info.x_ticks)), info.x_ticks)
        ax.set_xlim(-0.4, len(info.x_ticks) - 0.6)
    else:
        _log_where_wide(ax, panel)
    ax.set_xlabel(info.axes.x.rpartition(".")[2])
    ax.grid(axis="y")
    ax.set_ylim(*_value_limits(info))


def _value_limits(info: PhaseDiagramInfo) -> tuple[float, float]:
    """One range of values for all facets, wide enough for the error bars."""
    squares = [s for panel in info.panels for s in panel.squares if math.isfinite(s.mean)]
    ends = [
        s.mean + sign * s.spread for s in squares for sign in (-1, 1) if math.isfinite(s.spread)
    ]
    levels = [panel.beside.baseline[0] for panel in info.panels if panel.beside.baseline]
    shown = [*ends, *(s.mean for s in squares), *levels, *((0.0,) if info.diverging else ())]
    if not shown:
        return 0.0, 1.0
    low, high = min(shown) * info.what.scale, max(shown) * info.what.scale
    pad = 0.08 * (high - low) or 0.01 * max(abs(high), 1e-3)
    return low - pad, high + pad


def _log_where_wide(ax: Axes, panel: Panel) -> None:
    for values, name in (([s.x for s in panel.squares], "x"), ([s.y for s in panel.squares], "y")):
        if values and min(values) > 0 and max(values) > 30 * min(values):
            ax.set(**{f"{name}scale": "log"})
