"""Lines over a scale: what profiles, attack curves and hypervolumes have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from regsearch.report._base import Picture
from regsearch.report.quantities import Quantity
from regsearch.report.stats import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Scale(NamedTuple):
    """Where values stand along x: as they are, or by their logarithm, with zero apart.

    ``zero`` is where zero stands on a logarithmic scale, in decades.
    """

    log: bool = False
    zero: float = 0.0

    def place(self, values: Array) -> Array:
        """Positions of ``values``; a scale that is logarithmic holds none below zero."""
        values = np.asarray(values, dtype=np.float64)
        if not self.log:
            return values
        return np.where(values > 0, np.log10(np.where(values > 0, values, 1.0)), self.zero)


class Line(NamedTuple):
    """One line: mean and half the height of its band over ``n`` seeds at each x.

    A line without x is a level. ``kind`` is the regularizer's number in the study, negative for all
    together; ``among`` is the line's place among those of its regularizer, and their number;
    ``cells`` are behind the points, and at each x of ``lost`` runs diverged.
    """

    name: str
    kind: int
    x: Array
    mean: Array
    band: Array
    n: Array
    cells: Sequence[str]
    among: tuple[int, int] = (0, 1)
    lost: Sequence[float] = ()


class Row(NamedTuple):
    """What a row of panels shows: its label, what numbers are multiplied by, whether y is log."""

    name: str
    label: str
    factor: float = 1.0
    log: bool = False
    fraction: bool = False


class LinesInfo(NamedTuple):
    """A picture of lines: by facet its title and, row by row, the lines.

    ``ticks`` are the values of x to be written; none: round numbers. ``steps``: a value holds until
    the next.
    """

    x: str
    scale: Scale
    ticks: Array | None
    rows: list[Row]
    facets: list[tuple[str, list[list[Line]]]]
    steps: bool = False


def fit_scale(values: Array) -> Scale:
    """Logarithmic where positive values span a factor 8, evenly by ratio and not by difference."""
    values = np.unique(values[np.isfinite(values)])
    positive = values[values > 0]
    if not len(positive) or values[0] < 0 or positive[-1] < 8 * positive[0]:
        return Scale()
    ratios, differences = np.diff(np.log10(positive)), np.diff(positive)
    uneven = ratios.std() / ratios.mean(), differences.std() / differences.mean()
    if uneven[0] > uneven[1]:
        return Scale()
    return Scale(True, float(np.log10(positive[0]) - 1.25 * np.median(ratios)))


def row_of(what: Quantity, means: Array) -> Row:
    """The row of a measured quantity: logarithmic where its means span more than a factor 30."""
    known = means[np.isfinite(means)]
    wide = len(known) and known.min() > 0 and known.max() > 30 * known.min()
    log, fraction = bool(wide) and not what.percent, what.percent and what.summary != "gap"
    return Row(what.column, what.label, what.scale, log, fraction)


def picture(name: str, caption: str, info: LinesInfo, words: dict[str, str]) -> Picture:
    """The picture of ``info`` with its numbers; ``words`` say what a cell's point shows."""
    panels = [lines for _, rows in info.facets for lines in rows]
    hover = {
        f"{i}:{cell}": (cell, words[cell])
        for i, lines in enumerate(panels)
        for line in lines
        for cell in line.cells
        if cell in words
    }
    return Picture(name, caption, partial(draw_lines, info), data(info), hover)


def draw_lines(info: LinesInfo) -> Figure:
    """Draw ``info``; matplotlib is imported here and not before."""
    from regsearch.report.lines_drawing import draw

    return draw(info)


def data(info: LinesInfo) -> pd.DataFrame:
    """One row per point, numbers as they were measured; x is NaN for a level."""
    frames = [
        pd.DataFrame({
            "facet": facet, "quantity": row.name, "line": line.name,
            info.x: line.x if len(line.x) else np.nan,
            "mean": line.mean, "band": line.band, "n": line.n.astype(int), "cell": line.cells,
        })
        for facet, rows in info.facets
        for row, lines in zip(info.rows, rows, strict=True)
        for line in lines
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
