"""Have the curves come to rest, or would longer training change the picture?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regsearch.report._base import Results
from regsearch.report.cell_values import Cells, factor_groups, rank_cells
from regsearch.report.quantities import Quantity

WINDOW = 5


def flat_curves(
    results: Results, cells: Cells, values: pd.DataFrame, what: Quantity
) -> list[str] | None:
    """Cells whose mean still improves; ``None`` where curves are too short to say.

    Compares the mean of the last 5 epochs with that of the 5 before, run by run, for the best cell
    of each regularizer. A cell moves if the mean change is an improvement larger than the standard
    deviation over seeds of the last 5 epochs' mean, and than 0.1 % of its value.
    """
    picks = {
        cell: f"{facet}: {cells.label(cell, results.factors)}" if facet else cells.label(cell)
        for facet, part in factor_groups(cells, results.factors)
        for _, mine in part.groupby("regularizer", sort=False)
        for cell in rank_cells(mine, values, what).index[:1]
    }
    done = cells.runs[(cells.runs["status"] == "completed") & cells.runs["cell"].isin(list(picks))]
    if what.name not in results.curves or not len(done) or not what.direction:
        return None
    curves = results.curves.merge(done[["run", "cell"]], on="run")
    if curves["epoch"].max() < 2 * WINDOW:
        return None
    moving = []
    for cell, mine in curves.groupby("cell"):
        gain = _late_gain(mine, what)
        if gain is not None:
            moving.append(f"{picks[str(cell)]} still improves by {what.text(gain)} per 5 epochs")
    return moving


def _late_gain(curves: pd.DataFrame, what: Quantity) -> float | None:
    wide = curves.pivot(index="run", columns="epoch", values=what.name).to_numpy(dtype=np.float64)
    late, before = wide[:, -WINDOW:].mean(1), wide[:, -2 * WINDOW : -WINDOW].mean(1)
    gain = float((late - before).mean() * what.direction)
    noise = float(late.std(ddof=1)) if len(late) > 1 else 0.0
    return gain if gain > max(noise, 1e-3 * abs(float(late.mean()))) else None
