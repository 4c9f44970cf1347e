"""Draw histograms: a grid of cells and layers, or those of all cells over each other."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from regsearch.histogram import Histogram
from regsearch.report.drawing import (
    COLOURS,
    INK,
    MUTED,
    look,
    name_above,
    new_figure,
    style,
    title_lines,
)
from regsearch.report.histograms_info import HistogramInfo, Row

TITLE = 44  # characters of a facet's title that fit above the axes
STEPS = 60
"""Bins of constants in use that are drawn, at most: more of them are noise."""


def draw(info: HistogramInfo) -> Figure:
    """The picture of ``info``."""
    with style():
        return _draw_constants(info) if info.of == "lipschitz" else _draw_layers(info)


def _draw_layers(info: HistogramInfo) -> Figure:
    """A row per cell, a column per layer; scales are shared down a column."""
    [(_, rows)] = info.facets
    columns = len(info.names)
    most = max(len(found.counts) for row in rows for found in row.found.values())
    figure = new_figure(1.75 * columns + 1.9, 0.95 * len(rows) + 0.75)
    grid = figure.subplots(len(rows), columns, squeeze=False, sharex="col", sharey="col")
    for row, axes in zip(rows, grid, strict=True):
        for name, ax in zip(info.names, axes, strict=True):
            ax.set_yscale("log")
            if name in row.found:
                found = row.found[name]
                _draw_layer(ax, found, look(row.kind)[0])
                if len(found.counts) == most:  # no vector, whose largest value alone is a peak
                    _write_peak(ax, found)
        words = textwrap.fill(row.label, 18, break_long_words=False)
        axes[0].set_ylabel(words, rotation=0, ha="right", va="center", labelpad=8)
    for name, top, bottom in zip(info.names, grid[0], grid[-1], strict=True):
        top.set_title(name.partition("/")[2])
        reach = info.reach[name] or 1.0
        bottom.set_xlim(-reach, reach)
        bottom.set_ylim(info.least[name] / 2, 2)
        bottom.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    figure.supxlabel("weight", size=8.5)
    figure.supylabel("share of the layer's weights", size=8.5)
    return figure


def _draw_layer(ax: Axes, found: Histogram, colour: str) -> None:
    total = max(1, int(found.counts.sum()))
    # at whole pixels, a peak of one bin could have no width
    ax.stairs(found.counts / total, found.edges, fill=True, color=colour, lw=0.4, snap=False)
    ax.yaxis.set_major_locator(LogLocator(numticks=4))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.grid(True)


def _write_peak(ax: Axes, found: Histogram) -> None:
    """The share of values at the walls, in a corner."""
    peak = found.peak / max(1, int(found.counts.sum()))
    ax.text(
        0.98, 0.96, f"{peak:.1%}", transform=ax.transAxes, ha="right", va="top", size=6.5,
        color=INK if peak > 0.01 else MUTED,
    )  # fmt: skip


def _draw_constants(info: HistogramInfo) -> Figure:
    """One pair of axes per facet, in rows of three."""
    columns = min(3, len(info.facets))
    bands = math.ceil(len(info.facets) / columns)
    distinct = all(len({row.kind for row in rows}) == len(rows) for _, rows in info.facets)
    figure = new_figure((4.6 if columns < 3 else 3.5) * columns + 0.2, 2.9 * bands + 0.5)
    grid = figure.subplots(bands, columns, squeeze=False, sharex=True, sharey=True)
    for i, ax in enumerate(grid.flat):
        ax.set_visible(i < len(info.facets))
    for (title, rows), ax in zip(info.facets, grid.flat, strict=False):
        for i, row in enumerate(rows):
            colour = look(row.kind)[0] if distinct else COLOURS[i % len(COLOURS)]
            _draw_cell(ax, row, info.reach["lipschitz"], colour)
        ax.set_xlabel("local Lipschitz constant (logit per input)")
        ax.grid(True)
        name_above(ax, "\n".join(title_lines(title, TITLE)), height=1.06)  # above the marks
    for ax in grid[:, 0]:
        ax.set_ylabel("share of examples (%)")
    return figure


def _draw_cell(ax: Axes, row: Row, reach: float, colour: str) -> None:
    """Steps from the first to the last bin in use, and triangles above the axes."""
    found = row.found["lipschitz"]
    counts, width = found.counts, found.high / len(found.counts)
    while reach / width > STEPS and len(counts) % 2 == 0:
        counts, width = counts.reshape(-1, 2).sum(1), 2 * width
    used = np.flatnonzero(counts)
    if len(used):
        first, last = int(used[0]), int(used[-1])
        shares = 100 * counts[first : last + 1] / counts.sum()
        edges = width * np.arange(first, last + 2)
        ax.stairs(shares, edges, fill=True, color=colour, alpha=0.1, lw=0)
        ax.stairs(shares, edges, color=colour, lw=1.3, label=row.label)
    for value, face in zip(row.marks, (colour, "white"), strict=True):
        ax.plot(
            value, 1.03, "v", color=colour, mfc=face, ms=5, transform=ax.get_xaxis_transform(),
            clip_on=False,
        )  # fmt: skip
