"""Report ``phase_diagram``: the plane of two hyper-parameters, measured cells only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import pandas as pd
from pydantic import Field

from regsearch.report._base import REPORTS, Picture, Report, Results, Section
from regsearch.report.axes import Axes, check_axes, choose_axes
from regsearch.report.cell_values import Cells, gather_cells
from regsearch.report.phase_info import (
    Edge,
    Panel,
    PhaseDiagramInfo,
    Square,
    difference_map_info,
    phase_diagram_info,
)
from regsearch.report.quantities import Quantity, check_quantity, known_quantity
from regsearch.report.stats import Correction, Method, correction_words, interval_words
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
        description="last, best, last10, last10pct, gap, area, epoch:N, or a column's name",
    )
    baseline: Annotated[str, Field(description="regularizer that cells are compared with")] = "none"
    early_stopped: Annotated[
        Literal["refuse", "allow"],
        Field(description="whether a scheduler may stop cells of the map early, which biases it"),
    ] = "refuse"
    correction: Correction = "benjamini_hochberg"
    interval: Method = "t"
    level: Annotated[
        float | None,
        Field(description="draw the edge at this level, not that of what beats the baseline"),
    ] = None
    level_of: Annotated[
        Literal["value", "difference"],
        Field(description="what the level is of: the metric, or its difference from the baseline"),
    ] = "value"


def check(config: PhaseDiagram, columns: Sequence[str]) -> list[str]:
    """Names that a study with these columns does not have."""
    problems = check_axes(config.x, config.y, config.regularizer, columns)
    for i, word in enumerate(config.metrics):
        problems += [f"metrics[{i}]: {problem}" for problem in check_quantity(word, columns)]
    return problems


def sections(results: Results, config: PhaseDiagram) -> list[Section]:
    """The plane once per metric, and its difference from the baseline where there is one."""
    cells = gather_cells(results, whole=True)
    axes = choose_axes(cells, config.x, config.y, config.regularizer)
    if axes is None:
        text = "No regularizer of this study has a hyper-parameter that varies."
        return [Section("Phase diagram", text, [], [])]
    pictures, contrasts = [], []
    for word in config.metrics:
        what = known_quantity(word, results)
        compared = results.metric.at if results.metric.at in config.metrics else config.metrics[0]
        edge = _edge(config) if word == compared else None
        info = phase_diagram_info(
            results, cells, axes, what, config.baseline, config.correction, edge
        )
        stem = _stem(cells, axes, what)
        pictures.append(picture(stem, info, cells))
        if word == compared and config.baseline in set(cells.varies) - {axes.regularizer}:
            tests = config.correction, config.interval
            info = difference_map_info(results, cells, axes, what, config.baseline, *tests)
            contrasts.append(picture(f"{stem}_minus_{config.baseline}", info, cells))
    title = f"Phase diagram of {axes.regularizer}" if axes.y else f"{axes.regularizer} by {axes.x}"
    made = [Section(title, _READING, pictures, [])]
    if contrasts:
        title = f"{axes.regularizer} minus {config.baseline}"
        made.append(Section(title, _reading_difference(config), contrasts, []))
    return made


def _edge(config: PhaseDiagram) -> Edge | None:
    return None if config.level is None else Edge(config.level, config.level_of == "difference")


_READING = (
    "Measured cells only: nothing is interpolated. A number is the mean over the seeds that ran to "
    "the end, with the standard deviation below it; n is given where seeds are missing. Bright is "
    "better. Lines rest on paired t-tests, corrected for their number as the caption says. Click a "
    "cell to see its runs."
)


def _reading_difference(config: PhaseDiagram) -> str:
    return (
        f"Difference of the means over common seeds, with its {interval_words(config.interval)}. "
        "Bold: more than chance by the paired t-test (Welch's where fewer than two seeds are "
        "common), corrected as the caption says; a cell with a diverged run is never bold. Blue is "
        "better, red is worse than the baseline."
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
    if info.interval == "bootstrap" and math.isfinite(square.low):
        low, high = (info.what.text(end, sign=True) for end in (square.low, square.high))
        value = f"{info.what.text(square.mean, sign=True)} [{low}, {high}]"
    counted = f"{value} (n = {square.n})" if square.n else ""
    chance = f"p = {square.p:.2g}" if info.diverging and math.isfinite(square.p) else ""
    parts = (cells.label(square.cell), counted, chance, square.note)
    return " · ".join(part for part in parts if part)


def caption(info: PhaseDiagramInfo, cells: Cells) -> str:
    """What is drawn, the best cell of each facet in words, and what the marks rest on."""
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
    return " ".join([*lines, *_tests(info)])


def _tests(info: PhaseDiagramInfo) -> list[str]:
    if info.edge:
        return ["The line parts measured neighbours on either side of the level; it is no test."]
    edge = any(panel.boundary for panel in info.panels)
    against = f"Edge of what beats {info.baseline}" if edge else f"Tests against {info.baseline}"
    mark = "Bold" if info.diverging else against
    families = ((mark, info.compared), ("Told apart from the best", info.rivals))
    return [
        f"{name}: {correction_words(info.correction, count)}." for name, count in families if count
    ]


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
    hidden = ["x", "y"] if info.diverging else ["x", "y", "low", "high"]
    frame = pd.DataFrame(rows, columns=["facet", *Square._fields]).drop(columns=hidden)
    settings = cells.frame[[c for c in cells.settings if cells.frame[c].notna().any()]]
    return frame.join(settings, on="cell")


REPORTS.add(
    "phase_diagram",
    Report(
        PhaseDiagram, "plane of two hyper-parameters, by facet", check, sections, of_settings=True
    ),
)
