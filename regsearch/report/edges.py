"""Does the optimum lie inside the grid, or does the grid end where values still improve?"""

from __future__ import annotations

import math

import pandas as pd

from regsearch.errors import UnknownName
from regsearch.regularizers import REGULARIZERS
from regsearch.report._base import Results
from regsearch.report.cell_values import Cells, factor_groups, rank_cells
from regsearch.report.quantities import Quantity, number


def optimum_inside(
    results: Results, cells: Cells, values: pd.DataFrame, what: Quantity
) -> list[str] | None:
    """Best cells on an edge of their grid that could be moved; ``None`` where there is no grid.

    An edge that is the end of the hyper-parameter's own range (alpha = 1) cannot be moved.
    """
    found, looked = [], False
    for facet, part in factor_groups(cells, results.factors):
        for name, mine in part.groupby("regularizer", sort=False):
            ranked = rank_cells(mine, values, what)
            for column in cells.own(str(name)):
                tested = mine[column].dropna()
                if not pd.api.types.is_numeric_dtype(tested) or tested.nunique() < 3:
                    continue
                looked = True
                if len(ranked):
                    text = _on_edge(column, float(mine.loc[ranked.index[0], column]), tested)
                    found += (
                        [f"{facet + ': ' if facet else ''}best {name} at {text}"] if text else []
                    )
    return found if looked else None


def _on_edge(column: str, best: float, tested: pd.Series[float]) -> str:
    low, high = natural_range(column)
    if best <= tested.min() and best > low:
        return f"{column.rpartition('.')[2]} = {number(best, 4)}, the lowest tested: go lower"
    if best >= tested.max() and best < high:
        return f"{column.rpartition('.')[2]} = {number(best, 4)}, the highest tested: go higher"
    return ""


def natural_range(column: str) -> tuple[float, float]:
    """Ends of the values that ``volumization.alpha`` may take at all; infinite where open."""
    kind, _, name = column.partition(".")
    try:
        field = REGULARIZERS[kind].config.model_fields.get(name)
    except UnknownName:  # a plugin that is not installed here
        field = None
    marks = field.metadata if field else []
    lows = [getattr(mark, end) for mark in marks for end in ("ge", "gt") if hasattr(mark, end)]
    highs = [getattr(mark, end) for mark in marks for end in ("le", "lt") if hasattr(mark, end)]
    return max(lows, default=-math.inf), min(highs, default=math.inf)
