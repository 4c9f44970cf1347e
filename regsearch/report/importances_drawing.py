"""Draw importances: one panel of horizontal bars for each regularizer."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regsearch.report.drawing import INK, MUTED, look, new_figure, style
from regsearch.report.importances import METHODS, Bars, ImportancesInfo


def draw(info: ImportancesInfo) -> Figure:
    """Panels in two columns, all from 0 to 100 %; a bar is as high in one as in the other."""
    columns = min(2, len(info.panels))
    bands = [info.panels[i : i + columns] for i in range(0, len(info.panels), columns)]
    most = [max(len(bars.names) for bars in band) for band in bands]
    with style():
        height = 0.24 * sum(most) + 0.75 * len(bands)
        figure = new_figure(4.3 * columns + (1.6 if columns == 1 else 0.2), height)
        grid = figure.subplots(
            len(bands), columns, squeeze=False, height_ratios=[m + 1 for m in most]
        )
        for ax in grid.flat[:]:
            ax.set_visible(False)
        for row, band in enumerate(bands):
            for column, bars in enumerate(band):
                _draw_bars(grid[row, column], bars, most[row])
    return figure


def _draw_bars(ax: Axes, bars: Bars, rows: int) -> None:
    ax.set_visible(True)
    places, shares = np.arange(len(bars.names)), 100 * bars.shares
    colour = look(bars.kind)[0] if bars.kind >= 0 else MUTED
    ax.barh(places, shares, height=0.62, color=colour, alpha=0.85)
    sds = 100 * np.nan_to_num(bars.sds)
    reach = np.minimum(sds, shares), np.minimum(sds, 100 - shares)
    ax.errorbar(shares, places, xerr=reach, fmt="none", ecolor=INK, lw=0.9, capsize=2)
    for place, share, more in zip(places, shares, reach[1], strict=True):
        ax.annotate(
            f"{share:.0f} %", (share + more, place), (4, 0), textcoords="offset points",
            va="center", size=7,
        )  # fmt: skip
    ax.set_yticks(places, bars.names)
    ax.set(xlim=(0, 114), ylim=(rows - 0.4, -0.6))
    ax.set_xticks([0, 25, 50, 75, 100])
    ax.set_xlabel(f"share by {METHODS[bars.method]} (%)")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    out = f", {bars.left_out} left out" if bars.left_out else ""
    ax.set_title(bars.title)
    ax.set_title(f"{bars.cells} cells{out}", loc="right", size=7, weight="normal", color=MUTED)
