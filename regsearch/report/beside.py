"""The other methods of a study, on the value scale of a phase diagram: one point per cell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from regsearch.report.cell_values import Cells
from regsearch.report.quantities import Quantity, number
from regsearch.report.stats import spread


class Point(NamedTuple):
    """Mean and standard deviation over the seeds of one cell."""

    tick: str
    cell: str
    mean: float
    sd: float
    n: int
    diverged: int


class Group(NamedTuple):
    """The cells of one regularizer, in ascending order of its hyper-parameter."""

    regularizer: str
    label: str
    points: list[Point]


class Beside(NamedTuple):
    """Every other regularizer, and ``none`` as a level (mean, sd) where there is one cell of it."""

    groups: list[Group]
    baseline: tuple[float, float] | None


def beside_of(
    cells: Cells, cell: str, regularizer: str, values: pd.DataFrame, what: Quantity
) -> Beside:
    """The other regularizers under the same shared settings as ``cell``.

    One with a single varying hyper-parameter is shown whole; one with more by its best cell.
    """
    shared = cells.frame[cells.shared].astype(object).where(cells.frame[cells.shared].notna(), None)
    same = (shared == shared.loc[cell]) | (shared.isna() & shared.loc[cell].isna())
    others = cells.frame[same.all(axis=1) & (cells.frame["regularizer"] != regularizer)]
    mean, sd, n = spread(values.loc[others.index].to_numpy())
    table = others.assign(mean=mean, sd=sd, n=n.astype(int))
    groups, baseline = [], None
    for name, part in table.groupby("regularizer", sort=False):
        if name == "none" and len(part) == 1:
            baseline = float(part["mean"].iloc[0]), float(part["sd"].iloc[0])
        elif part["n"].any():
            groups.append(_group(str(name), part, cells.own(str(name)), what))
    return Beside(groups, baseline if baseline and np.isfinite(baseline[0]) else None)


def _group(name: str, part: pd.DataFrame, own: list[str], what: Quantity) -> Group:
    if len(own) > 1:
        sound = part[(part["diverged"] == 0) & (part["n"] == part["n"].max())]
        order = (sound["mean"] * (what.direction or 1)).sort_values(ascending=False)
        best = part.loc[order.index[:1]] if len(order) else part.iloc[:1]
        return Group(name, f"{name}, best of {len(part)}", _points(best, [""] * len(best)))
    if not own:
        return Group(name, name, _points(part, [""] * len(part)))
    part = part.sort_values(own[0])
    ticks = [number(value, 4) for value in part[own[0]]]
    return Group(name, f"{name}: {own[0].rpartition('.')[2]}", _points(part, ticks))


def _points(part: pd.DataFrame, ticks: list[str]) -> list[Point]:
    columns = (part[name].tolist() for name in ("mean", "sd", "n", "diverged"))
    rows = zip(ticks, part.index, *columns, strict=True)
    return [Point(*row) for row in rows]
