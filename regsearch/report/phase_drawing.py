"""Draw a phase diagram: squares for a grid, points for scattered cells, a line for one axis."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from regsearch.report.beside_drawing import draw_beside
from regsearch.report.cell_values import UNASKED
from regsearch.report.drawing import (
    ACCENT,
    EMPTY,
    FAINT,
    INK,
    MUTED,
    colour_bar,
    colour_map,
    colour_scale,
    ink_on,
    new_figure,
    place,
    style,
    title_lines,
)
from regsearch.report.labels import Label, Labels
from regsearch.report.phase_info import PhaseDiagramInfo, Segment, Square
from regsearch.report.phase_points import draw_line, draw_points
from regsearch.report.tiles import Tile, Tiles

WIDTH = 9.6  # inches of a full row of panels
WRITTEN = 0.33  # inches; numbers are written in squares wider than this
LETTER = 0.09  # inches, of a title
MOST_WRITTEN = 300  # squares of a panel
_HATCH = [
    ((max(-0.5, -0.5 - c), max(-0.5, -0.5 + c)), (min(0.5, 0.5 - c), min(0.5, 0.5 + c)))
    for c in (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75)
]
"""Diagonals of the unit square around the origin."""


def draw(info: PhaseDiagramInfo) -> Figure:
    """The picture of ``info``; panels in rows, each with the other methods below it."""
    cmap = colour_map(info.what.direction, info.diverging)
    norm = colour_scale(info.limits, info.what.scale)
    with style():
        if info.axes.y is None:
            return draw_line(info)
        if not info.x_ticks:
            return draw_points(info, cmap, norm)
        return _draw_grid(info, cmap, norm)


def _draw_grid(info: PhaseDiagramInfo, cmap: Colormap, norm: Normalize) -> Figure:
    sheet = _lay_out(info)
    figure = new_figure(sheet.width, sheet.height, layout=None)
    for i, panel in enumerate(info.panels):
        ax = place(figure, *sheet.panel(i), sheet.panel_width, sheet.panel_height)
        ax.set_title("\n".join(title_lines(panel.title, sheet.letters)))
        _draw_panel(ax, info, i, (cmap, norm), sheet.side, first=i % sheet.columns == 0)
        if sheet.below and panel.beside.groups:
            x, y = sheet.panel(i)
            below = place(figure, x, y - sheet.feet - sheet.below, sheet.panel_width, sheet.below)
            draw_beside(below, panel, info, cmap, norm, first=i % sheet.columns == 0)
    x, y = sheet.panel(sheet.columns - 1)
    bar = place(figure, x + sheet.panel_width + 0.14, y, 0.13, sheet.panel_height)
    colour_bar(bar, cmap, norm, _bar_label(info), info.clipped)
    _legend(figure, info)
    return figure


class _Sheet(NamedTuple):
    """Where things lie, in inches; by hand, because matplotlib's layout engines are slow."""

    columns: int
    rows: int
    side: float  # width of a square
    left: float
    panel_width: float
    panel_height: float
    gap: float
    letters: int  # that fit above a panel
    head: float  # for the title
    feet: float  # for tick labels and the name of the x axis
    below: float  # height of the panel with the other methods, 0 for none
    feet_below: float

    @property
    def width(self) -> float:
        across = self.columns * (self.panel_width + self.gap) - self.gap
        return max(self.left + across + 0.95, 5.6)

    @property
    def row_height(self) -> float:
        return self.head + self.panel_height + self.feet + self.below + self.feet_below

    @property
    def height(self) -> float:
        return self.rows * self.row_height + 0.38

    def panel(self, index: int) -> tuple[float, float]:
        """Lower left corner of a panel."""
        row, column = divmod(index, self.columns)
        x = self.left + column * (self.panel_width + self.gap)
        return x, self.height - self.head - self.panel_height - row * self.row_height


def _lay_out(info: PhaseDiagramInfo) -> _Sheet:
    nx, ny = len(info.x_ticks), len(info.y_ticks)
    roomy = nx * ny <= MOST_WRITTEN  # else values are found by resting the mouse on a square
    across = 0.45 * nx if roomy else max(0.1 * nx, 3.0)
    rows = math.ceil(len(info.panels) / max(1, int(WIDTH / across)))
    columns = math.ceil(len(info.panels) / rows)
    side = min(0.68 if roomy else WRITTEN, max(WIDTH / (columns * nx), 0.1))
    beside = any(panel.beside.groups for panel in info.panels)
    gap = 0.62 if beside else 0.22
    letters = max(12, int((side * nx + gap) / LETTER))
    lines = max(len(title_lines(panel.title, letters)) for panel in info.panels)
    return _Sheet(
        columns=columns,
        rows=rows,
        side=side,
        left=0.3 + 0.07 * max(map(len, [*info.y_ticks, _axis_name(info.axes.y)])),
        panel_width=side * nx,
        panel_height=_height(side) * ny,
        gap=gap,
        letters=letters,
        head=0.34 + 0.15 * max(0, lines - 1),
        feet=0.54,
        below=0.95 if beside else 0.0,
        feet_below=0.46 if beside else 0.0,
    )


def _height(side: float) -> float:
    """Height of a square of this width, inches: a little flatter, but never too flat for text."""
    return min(side, max(0.76 * side, 0.1))


def _draw_panel(
    ax: Axes,
    info: PhaseDiagramInfo,
    index: int,
    colours: tuple[Colormap, Normalize],
    side: float,
    first: bool,
) -> None:
    panel = info.panels[index]
    paints = _paint(panel.squares, info, colours)
    tiles = [
        Tile(square.x, square.y, paint, f"{index}:{square.cell}")
        for square, paint in zip(panel.squares, paints, strict=True)
    ]
    Tiles(ax, tiles, gap=1.2 if side > 0.3 else 0.4)
    written: list[Label] = []
    hatched: dict[str, list[Segment]] = {}
    for square, paint in zip(panel.squares, paints, strict=True):
        ink = ink_on(paint) if math.isfinite(square.mean) else MUTED
        if square.diverged:
            hatched.setdefault(ink, []).extend(_hatch(square))
        if square.best:
            _draw_star(ax, square, ink, side)
        if side > WRITTEN:
            written += _write_square(square, info, ink, min(1.0, side / 0.5))
    for ink, lines in hatched.items():
        _draw_lines(ax, lines, ink, 0.7, alpha=0.35)
    Labels(ax, written + _tick_labels(info, side, first))
    _draw_edges(ax, panel.outline, INK, 1.5)
    _draw_edges(ax, panel.boundary, ACCENT, 2.0)
    ax.set_xlim(-0.5, len(info.x_ticks) - 0.5)
    ax.set_ylim(-0.5, len(info.y_ticks) - 0.5)
    ax.set_axis_off()


def _tick_labels(info: PhaseDiagramInfo, side: float, first: bool) -> list[Label]:
    """The tested values along both axes, as many as there is room for, and the axes' names."""
    wide, high = side, _height(side)  # of a square, inches
    nx, ny = len(info.x_ticks), len(info.y_ticks)
    step_x = math.ceil((0.066 * max(map(len, info.x_ticks)) + 0.06) / wide)
    step_y = math.ceil(0.15 / high)
    below = -0.5 - 0.13 / high
    labels = [Label(x, below, info.x_ticks[x], 7.8, INK) for x in range(0, nx, step_x)]
    labels.append(Label((nx - 1) / 2, -0.5 - 0.33 / high, _axis_name(info.axes.x), 8.5, INK, True))
    if not first:
        return labels
    left = -0.5 - 0.08 / wide
    for y in range(0, ny, step_y):
        labels.append(Label(left, y, info.y_ticks[y], 7.8, INK, align="right"))
    top = ny - 0.5 + 0.12 / high
    return [*labels, Label(left, top, _axis_name(info.axes.y), 8.5, INK, True, "right")]


def _paint(
    squares: Sequence[Square], info: PhaseDiagramInfo, colours: tuple[Colormap, Normalize]
) -> list[tuple[float, float, float, float]]:
    """The colour of each square."""
    cmap, norm = colours
    means = np.array([square.mean for square in squares]) * info.what.scale
    known = np.isfinite(means)
    paints = np.full((len(means), 4), to_rgba(EMPTY))
    paints[known] = cmap(norm(means[known]))
    return [(red, green, blue, alpha) for red, green, blue, alpha in paints.tolist()]


def _hatch(square: Square) -> list[Segment]:
    """Diagonals over a square; a patch's own hatch fades in an SVG."""
    return [
        ((x0 + square.x, y0 + square.y), (x1 + square.x, y1 + square.y))
        for (x0, y0), (x1, y1) in _HATCH
    ]


def _draw_star(ax: Axes, square: Square, ink: str, side: float) -> None:
    at = (square.x + 0.37, square.y + 0.34) if side > WRITTEN else (square.x, square.y)
    size = 8.5 * min(1.0, side / 0.6) if side > WRITTEN else 6
    ax.plot(*at, marker="*", ms=size, color=ink, mec="none", ls="none", zorder=5)


def _write_square(square: Square, info: PhaseDiagramInfo, ink: str, size: float) -> list[Label]:
    x, y, small = square.x, square.y, 5.5 * size
    if not math.isfinite(square.mean):
        lines = _reason(square)
        top = y + 0.085 * (len(lines) - 1)
        return [Label(x, top - 0.17 * i, line, small, ink) for i, line in enumerate(lines)]
    bold = info.diverging and not square.tied
    value = info.what.text(square.mean, sign=info.diverging)
    below = f"±{info.what.text(square.spread)}" if math.isfinite(square.spread) else ""
    if info.interval == "bootstrap" and math.isfinite(square.low):
        low, high = (info.what.text(end, sign=True) for end in (square.low, square.high))
        below = f"{low}…{high}"
    if square.diverged:
        below = f"{square.diverged}/{square.planned} div."
    elif square.n < square.planned:
        below = f"{below} n={square.n}".strip()
    number = Label(x, y + 0.1, value, 7.6 * size, ink, bold)
    fitting = small * min(1.0, 11 / max(len(below), 1))
    return [number, Label(x, y - 0.24, below, fitting, ink)]


def _reason(square: Square) -> list[str]:
    """Why there is no number, in at most three short lines."""
    if square.diverged == square.planned:
        return ["diverged"]
    if square.note == UNASKED:  # most of the plane: said once, below
        return []
    short = square.note.replace(" yet", "").replace("stopped early", "stopped")
    return textwrap.wrap(short.split(",")[0], 10)[:3]


def _draw_edges(ax: Axes, lines: list[Segment], colour: str, width: float) -> None:
    _draw_lines(ax, lines, "white", width + 1.6, zorder=3, capstyle="round", clip_on=False)
    _draw_lines(ax, lines, colour, width, zorder=3, capstyle="round", clip_on=False)


def _draw_lines(ax: Axes, lines: list[Segment], colour: str, width: float, **look: Any) -> None:
    """All ``lines`` as one path."""
    if lines:
        codes = [Path.MOVETO, Path.LINETO] * len(lines)
        path = Path([point for line in lines for point in line], codes)
        ax.add_artist(PathPatch(path, fill=False, edgecolor=colour, linewidth=width, **look))


def _legend(figure: Figure, info: PhaseDiagramInfo) -> None:
    """Only the marks that this picture has, in few words: the caption says how it was tested."""
    squares = [square for panel in info.panels for square in panel.squares]
    handles: list[Patch | Line2D] = []
    if any(square.best for square in squares):
        handles.append(Line2D([], [], marker="*", ms=9, color=INK, ls="none", label="best cell"))
    if any(panel.outline for panel in info.panels):
        label = "not distinguishable from it"
        handles.append(Patch(fill=False, edgecolor=INK, lw=1.5, label=label))
    if any(panel.boundary for panel in info.panels):
        label = f"edge of what beats {info.baseline}{'' if info.tested else ' (one seed)'}"
        if info.edge:
            over = f" over {info.baseline}" if info.edge.of_difference else ""
            label = f"edge at {info.what.text(info.edge.level, sign=bool(over))}{over}"
        handles.append(Line2D([], [], color=ACCENT, lw=2, label=label))
    if any(square.diverged for square in squares):
        label = "diverged runs, not in the mean"
        handles.append(Patch(facecolor=FAINT, edgecolor=MUTED, hatch="//////", lw=0, label=label))
    blank = {s.note for s in squares if not math.isfinite(s.mean) and not s.diverged}
    if UNASKED in blank:
        handles.append(Patch(facecolor=EMPTY, edgecolor=FAINT, lw=0.6, label=f"blank: {UNASKED}"))
    if blank - {UNASKED}:
        handles.append(Patch(facecolor=EMPTY, edgecolor=FAINT, lw=0.6, label="no value: see text"))
    if handles:
        figure.legend(handles=handles, loc="lower left", ncols=len(handles), handlelength=1.4)


def _axis_name(column: str | None) -> str:
    return (column or "").rpartition(".")[2]


def _bar_label(info: PhaseDiagramInfo) -> str:
    better = "" if info.diverging or not info.what.direction else " · brighter is better"
    return f"{info.label}{better}"
