"""Where in the space a set of cells lies, in words."""

from __future__ import annotations

import pandas as pd

from regsearch.report.cell_values import Cells
from regsearch.report.quantities import number


def region(cells: Cells, affected: pd.Index[str]) -> str:
    """``volumization with v ≤ 0.1, alpha = -1``: the smallest box that holds these cells."""
    frame = cells.frame.loc[affected]
    parts = []
    for name, mine in frame.groupby("regularizer", sort=False):
        every = cells.frame[cells.frame["regularizer"] == name]
        sides = [_side(mine[column], every[column]) for column in cells.varying(str(name))]
        where = ", ".join(side for side in sides if side)
        parts.append(f"{name} with {where}" if where else str(name))
    return "; ".join(parts)


def _side(mine: pd.Series[float], every: pd.Series[float]) -> str:
    """What the values of one setting have in common, or nothing if they span all of it."""
    short = str(mine.name).rpartition(".")[2]
    values = mine.dropna().unique()
    if len(values) == 1:
        return f"{short} = {number(values[0], 4)}"
    if not len(values) or not pd.api.types.is_numeric_dtype(mine):
        return ""
    low, high = mine.min(), mine.max()
    from_start, to_end = low <= every.min(), high >= every.max()
    if from_start and to_end:
        return ""
    if from_start:
        return f"{short} ≤ {number(high, 4)}"
    if to_end:
        return f"{short} ≥ {number(low, 4)}"
    return f"{short} from {number(low, 4)} to {number(high, 4)}"
