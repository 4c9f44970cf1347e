"""Report ``phase_diagram``: the plane of two hyper-parameters, measured cells only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import pandas as pd
from pydantic import Field

from regsearch.report._base import REPORTS, Picture, Report, Results, Section
from regsearch.report.axes import Axes, check_axes, choose_axes
from regsearch.report.cell_values import Cells, gather_cells
from regsearch.report.phase_info import (
    Panel,
    PhaseDiagramInfo,
    Square,
    difference_map_info,
    phase_diagram_info,
)
from regsearch.report.quantities import Quantity, check_quantity, known_quantity
from regsearch.space import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PhaseDiagram(Kind):
    """Mean over seeds in the plane of two hyper-parameters; a line where ``y`` is left out."""

    kind: Literal["phase_diagram"] = "phase_diagram"
    x: Annotated[str | None, Field(description="hyper-parameter, as v or volumization.v")] = None
    y: Annotated[str | None, Field(description="second hyper-parameter; none: a line")] = None
    regularizer: Annotated[
        str | None, Field(description="whose plane, if x and y leave it open")
    ] = None
    metrics: list[str] = Field(
        default_factory=lambda: ["best", "last10", "gap"],
        min_length=1,
        description="last, best, last10, gap, epoch:N, or a column's name",
    )
    baseline: Annotated[str, Field(description="regularizer that cells are compared with")] = "none"


def check(config: PhaseDiagram, columns: Sequence[str]) -> list[str]:
    """Names that a study with these columns does not have."""
    problems = check_axes(config.x, config.y, config.regularizer, columns)
    for i, word in enumerate(config.metrics):
        problems += [f"metrics[{i}]: {problem}" for problem in check_quantity(word, columns)]
    return problems


def sections(results: Results, config: PhaseDiagram) -> list[Section]:
    """The plane once per metric, and its difference from the baseline where there is one."""
    cells = gather_cells(results)
    axes = choose_axes(cells, config.x, config.y, config.regularizer)
    if axes is None:
        text = "No regularizer of this study has a hyper-parameter that varies."
        return [Section("Phase diagram", text, [], [])]
    pictures, contrasts = [], []
    for word in config.metrics:
        what = known_quantity(word, results)
        info = phase_diagram_info(results, cells, axes, what, config.baseline)
        stem = _stem(cells, axes, what)
        pictures.append(picture(stem, info, cells))
        compared = results.metric.at if results.metric.at in config.metrics else config.metrics[0]
        if word == compared and config.baseline in set(cells.varies) - {axes.regularizer}:
            info = difference_map_info(results, cells, axes, what, config.baseline)
            contrasts.append(picture(f"{stem}_minus_{config.baseline}", info, cells))
    title = f"Phase diagram of {axes.regularizer}" if axes.y else f"{axes.regularizer} by {axes.x}"
    made = [Section(title, _READING, pictures, [])]
    if contrasts:
        title = f"{axes.regularizer} minus {config.baseline}"
        made.append(Section(title, _READING_DIFFERENCE, contrasts, []))
    return made


_READING = (
    "Measured cells only: nothing is interpolated. A number is the mean over the seeds that ran to "
    "the end, with the standard deviation below it; n is given where seeds are missing. Bright is "
    "better. Lines rest on one test per cell at the 5 % level, not corrected for the number of "
    "cells. Click a cell to see its runs."
)
_READING_DIFFERENCE = (
    "Difference of the means over common seeds, with the half-width of its 95 % interval (paired "
    "t-test; Welch's where fewer than two seeds are common). Bold: the interval excludes zero; not "
    "corrected for the number of cells, so of 100 cells that equal the baseline about 5 are bold. "
    "Blue is better, red is worse than the baseline."
)


def picture(stem: str, info: PhaseDiagramInfo, cells: Cells) -> Picture:
    """The picture of ``info`` with its numbers, and what the mouse finds in each cell."""
    hover = {
        f"{i}:{square.cell}": (square.cell, describe(info, cells, square))
        for i, panel in enumerate(info.panels)
        for square in panel.squares
    }
    return Picture(
        stem, caption(info, cells), partial(draw_phase_diagram, info), _data(info, cells), hover
    )


def draw_phase_diagram(info: PhaseDiagramInfo) -> Figure:
    """Draw ``info``; matplotlib is imported here and not before."""
    from regsearch.report.phase_drawing import draw

    return draw(info)


def describe(info: PhaseDiagramInfo, cells: Cells, square: Square) -> str:
    """One line about a square: setting, value, spread, n and what is wrong with it."""
    value = info.what.pair(square.mean, square.spread)
    counted = f"{value} (n = {square.n})" if square.n else ""
    return " · ".join(part for part in (cells.label(square.cell), counted, square.note) if part)


def caption(info: PhaseDiagramInfo, cells: Cells) -> str:
    """What is drawn, and the best cell of each facet in words."""
    lines = [f"{info.label}."]
    for panel in info.panels:
        best = next((s for s in panel.squares if s.best), None)
        if best is not None:
            value = info.what.pair(best.mean, best.spread)
            lines.append(
                f"{panel.title or 'Best'}: {cells.label(best.cell, info.axes.facets)}, "
                f"{value} (n = {best.n}), {_equals(panel, best)}."
            )
    if info.diverging and not info.tested:
        lines.append("Too few seeds: nothing can be told apart.")
    return " ".join(lines)


def _equals(panel: Panel, best: Square) -> str:
    if best.n < 2:
        return "one seed: nothing can be told apart"
    equals = sum(square.tied for square in panel.squares) - 1
    others = {0: "no other cell", 1: "one other cell"}.get(equals, f"{equals} other cells")
    return f"{others} not distinguishable from it"


def _stem(cells: Cells, axes: Axes, what: Quantity) -> str:
    """File name of a picture; axes are told unless they are those the regularizer gets unasked."""
    parts = ["phase", axes.regularizer.replace(" + ", "_")]
    if axes != choose_axes(cells, None, None, axes.regularizer):
        parts += [column.rpartition(".")[2] for column in (axes.x, axes.y) if column]
    return "_".join([*parts, what.column.replace("@", "_epoch")])


def _data(info: PhaseDiagramInfo, cells: Cells) -> pd.DataFrame:
    rows = [
        square._asdict() | {"facet": panel.title}
        for panel in info.panels
        for square in panel.squares
    ]
    frame = pd.DataFrame(rows, columns=["facet", *Square._fields]).drop(columns=["x", "y"])
    settings = cells.frame[[c for c in cells.settings if cells.frame[c].notna().any()]]
    return frame.join(settings, on="cell")


REPORTS.add(
    "phase_diagram",
    Report(PhaseDiagram, "plane of two hyper-parameters, by facet", check, sections),
)
