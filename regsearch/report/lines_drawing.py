"""Draw lines: one column per facet, one row per quantity, ticks at the values that were tested."""

from __future__ import annotations

import math
import textwrap
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regsearch.report.drawing import INK, legend_above, look, new_figure, style, title_lines
from regsearch.report.lines import Line, LinesInfo, Row
from regsearch.report.quantities import number
from regsearch.report.stats import Array

DASHES = ["-", "--", ":", "-."]
NAME, LABEL = 58, 32  # characters that fit above the axes and beside them
CLICKABLE = 60  # values that get a tick and points of their own


def draw(info: LinesInfo) -> Figure:
    """The picture of ``info``; panels of a row share their y axis.

    The rows of a single facet stand side by side.
    """
    rows, alone = len(info.rows), len(info.facets) == 1
    columns = min(2, rows) if alone else min(3, len(info.facets))
    bands = math.ceil(rows / columns) if alone else rows * math.ceil(len(info.facets) / columns)
    width = {1: 5.6, 2: 4.2, 3: 3.4}[columns]
    together = _named_alike(info)
    with style():
        figure = new_figure(width * columns + 0.2, 2.5 * bands + 0.5)
        share: Literal["none", "row"] = "none" if alone else "row"
        grid = figure.subplots(bands, columns, squeeze=False, sharex=True, sharey=share)
        for ax in grid.flat[:]:
            ax.set_visible(False)
        for i, (facet, by_row) in enumerate(info.facets):
            title = "\n".join(title_lines(facet, int(11 * width)))
            for r, (row, lines) in enumerate(zip(info.rows, by_row, strict=True)):
                at = (r // columns, r % columns)
                ax = grid[at] if alone else grid[(i // columns) * rows + r, i % columns]
                _draw_panel(ax, info, row, lines, i * rows + r)
                if info.ticks is not None:
                    _write_ticks(ax, info, info.ticks, width)
                if alone or i % columns == 0:
                    ax.set_ylabel(textwrap.fill(row.label, LABEL))
                if r == 0:
                    _head(ax, title, [] if together else lines, info)
                if r >= rows - (columns if alone else 1):
                    ax.set_xlabel(info.x)
                    ax.tick_params(labelbottom=True)
        if together:
            legend_above(figure, [_handle(line, info) for line in _all_lines(info)])
    return figure


def _named_alike(info: LinesInfo) -> bool:
    """Whether a line means the same in every facet, so that one legend will do."""
    names = [{line.name for lines in rows for line in lines} for _, rows in info.facets]
    return all(some == max(names, key=len) for some in names)


def _all_lines(info: LinesInfo) -> list[Line]:
    """One line of each name."""
    return list({line.name: line for _, rows in info.facets for ls in rows for line in ls}.values())


def _head(ax: Axes, title: str, lines: list[Line], info: LinesInfo) -> None:
    """The facet's title and, where its lines are its own, their names, so that they cover none."""
    if not lines:
        ax.set_title(title)
        return
    legend = ax.legend(
        handles=[_handle(line, info) for line in lines],
        title=title or None,
        title_fontproperties={"size": 9, "weight": "bold"},
        loc="lower left",
        bbox_to_anchor=(0, 1),
        alignment="left",
        fontsize=6.5,
        labelspacing=0.3,
    )
    for text in legend.get_texts():
        text.set_text(textwrap.fill(text.get_text(), NAME, subsequent_indent="  "))


def _draw_panel(ax: Axes, info: LinesInfo, row: Row, lines: list[Line], index: int) -> None:
    ax.set_visible(True)
    ax.set_yscale("log" if row.log else "linear")
    ax.grid(True)
    for line in (line for line in lines if not len(line.x)):
        _draw_level(ax, row, line)
    for line in (line for line in lines if len(line.x)):
        _draw_line(ax, info, row, line, index, min(0.15, 0.6 / len(lines)))


def _draw_level(ax: Axes, row: Row, line: Line) -> None:
    colour, dash, _ = _look(line)
    mean, low, high = (float(part[0]) for part in _band(row, line))
    if math.isfinite(mean):
        ax.axhspan(low, high, color=colour, alpha=0.1, lw=0)
        ax.axhline(mean, color=colour, ls=dash, lw=1.1)


def _draw_line(ax: Axes, info: LinesInfo, row: Row, line: Line, index: int, faint: float) -> None:
    colour, dash, marker = _look(line)
    x, (mean, low, high) = info.scale.place(line.x), _band(row, line)
    draw_style = "steps-post" if info.steps else "default"
    ax.fill_between(x, low, high, color=colour, alpha=faint, lw=0)
    apart = int(np.sum(line.x == 0)) if info.scale.log else 0
    ax.plot(x[: apart + 1], mean[: apart + 1], ":", color=colour, lw=1)
    wide = 4 if line.kind < 0 else 1.4  # the line of all shows beneath the others
    ax.plot(x[apart:], mean[apart:], dash, color=colour, lw=wide, drawstyle=draw_style)
    if not info.steps:
        for place, value, cell in zip(x, mean, line.cells, strict=True):
            point = ax.plot(place, value, marker, ms=4, color=colour, mec="white", mew=0.5)
            point[0].set_gid(f"{index}:{cell}" if len(x) <= CLICKABLE else None)
    for value in info.scale.place(np.array(line.lost)):
        ax.plot(
            value, 0.03, "x", color=colour, ms=5, transform=ax.get_xaxis_transform(), clip_on=False
        )


def _band(row: Row, line: Line) -> tuple[Array, Array, Array]:
    """Mean and ends of the band, as shown: fractions within 0 and 1, positive on a log axis."""
    mean, half = line.mean * row.factor, np.nan_to_num(line.band) * row.factor
    low, high = mean - half, mean + half
    if row.fraction:
        low, high = np.clip((low, high), 0, row.factor)
    return mean, np.maximum(low, mean / 10) if row.log else low, high


def _look(line: Line) -> tuple[Any, str, str]:
    """Colour, dash and marker; the plain network is dark and dashed, as in learning curves.

    Lines of one regularizer pale from the first to the last.
    """
    colour, marker = look(line.kind)
    if line.kind < 0:
        return "#b6bcc8", "-", marker
    if line.name.partition(" ")[0] == "none":
        return INK, "--", marker
    place, of = line.among
    rgb = np.array(to_rgb(colour)) * (1 - 0.65 * place / of) + 0.65 * place / of
    return tuple(rgb), DASHES[place % len(DASHES)] if len(line.x) else "--", marker


def _handle(line: Line, info: LinesInfo) -> Line2D:
    colour, dash, marker = _look(line)
    shown = marker if len(line.x) and not info.steps else ""
    wide = 4 if line.kind < 0 else 1.4
    return Line2D([], [], color=colour, ls=dash, lw=wide, marker=shown, ms=4, label=line.name)


def _write_ticks(ax: Axes, info: LinesInfo, values: Array, width: float) -> None:
    """The tested values; where they would touch, every second, third ... of them."""
    labels = [number(float(value), 3) for value in values]
    places = info.scale.place(values)
    span = max(float(np.ptp(places)), 1e-12)
    room = (width - 1.0) / span  # inches per unit of x
    kept: list[int] = []
    for i, (place, label) in enumerate(zip(places, labels, strict=True)):
        if not kept or (place - places[kept[-1]]) * room > 0.068 * (len(label) + 1):
            kept.append(i)
    ax.set_xticks(places[kept], [labels[i] for i in kept])
    if len(places) <= CLICKABLE:
        ax.set_xticks(places, minor=True)
    ax.tick_params(axis="x", which="minor", length=1.5, width=0.5)
    if info.scale.log and values[0] == 0 and len(values) > 1:
        middle = float(places[:2].mean())
        for shift in (-0.012, 0.012):  # the axis is broken between zero and the rest
            ax.plot(
                middle + shift * span, 0, marker=[(-0.5, -1), (0.5, 1)], ms=6, color="#9aa1ad",
                transform=ax.get_xaxis_transform(), clip_on=False,
            )  # fmt: skip
