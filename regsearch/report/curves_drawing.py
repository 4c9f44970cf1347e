"""Draw learning curves: one column per facet, one row per quantity."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regsearch.report.curves_info import CurvesInfo, Line
from regsearch.report.drawing import COLOURS, INK, MUTED, name_above, new_figure, style, title_lines
from regsearch.report.quantities import Quantity

TITLE = 44  # characters of a facet's title that fit above the axes
POINTS = 200  # drawn per line at most


def draw(info: CurvesInfo) -> Figure:
    """The picture of ``info``; facets in a row share their axes."""
    columns = min(3, len(info.facets))
    letters = TITLE if columns < 3 else TITLE - 12
    bands, rows = math.ceil(len(info.facets) / columns), len(info.quantities)
    with style():
        width = 4.2 if columns < 3 else 3.4
        figure = new_figure(width * columns + 0.2, 2.5 * rows * bands + 0.3)
        grid = figure.subplots(rows * bands, columns, squeeze=False, sharex=True, sharey="row")
        for ax in grid.flat[:]:
            ax.set_visible(False)
        for i, (facet, by_quantity) in enumerate(info.facets):
            for row, (what, lines) in enumerate(zip(info.quantities, by_quantity, strict=True)):
                ax = grid[(i // columns) * rows + row, i % columns]
                ax.set_visible(True)
                _draw_lines(ax, lines, what)
                if row == 0:
                    name_above(ax, "\n".join(title_lines(facet, letters)))
                if row == rows - 1:
                    ax.set_xlabel("epoch")
                    ax.tick_params(labelbottom=True)
    return figure


def _draw_lines(ax: Axes, lines: list[Line], what: Quantity) -> None:
    colours = iter(COLOURS)
    for line in lines:
        colour = {"baseline": INK, "worst": MUTED}.get(line.role) or next(colours)
        dash = "--" if line.role == "baseline" else "-"
        keep = np.unique(np.linspace(0, max(len(line.epochs) - 1, 0), POINTS).astype(int))
        if len(line.epochs):
            x, mean = line.epochs[keep], line.mean[keep] * what.scale
            low, high = (
                np.where(np.isfinite(edge), edge, line.mean)[keep] * what.scale
                for edge in (line.low, line.high)
            )
            ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
            mark = "o" if len(x) == 1 else ""
            ax.plot(x, mean, dash + mark, color=colour, lw=1.4, ms=3, label=_name(line))
        elif not line.lost:  # of no run is there a curve, and its name says so
            ax.plot([], [], dash, color=colour, label=_name(line))
        for i, (epochs, values) in enumerate(line.lost):
            label = _name(line) if not len(line.epochs) and i == 0 else None
            ax.plot(epochs, values * what.scale, color=colour, lw=0.8, label=label)
            ax.plot(epochs[-1], values[-1] * what.scale, "x", color=colour, ms=5)
    unit = " (%)" if what.percent else ""
    ax.set_ylabel(what.name.replace("_", " ") + unit)
    ax.grid(True)


def _name(line: Line) -> str:
    note = f" ({line.note})" if line.note else ""
    return f"{line.label}{', worst' if line.role == 'worst' else ''}{note}"
