"""Cells that must agree with no regularizer at all, because theirs does nothing there."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from regsearch.regularizers import REGULARIZERS
from regsearch.report.cell_values import Cells, baseline_values
from regsearch.report.quantities import Quantity
from regsearch.report.stats import spread


def limit_cases(
    cells: Cells, values: pd.DataFrame, what: Quantity
) -> tuple[Literal["pass", "warn", "fail"], str] | None:
    """Compare neutral cells with ``none``, seed by seed; ``None`` where there are none.

    The same seed must give the same number. Rounding may differ (a step that multiplies by one is
    not always exact) and training amplifies it, so differences within the baseline's own standard
    deviation warn; larger ones fail.
    """
    neutral = _at_neutral_values(cells)
    base = baseline_values(cells, values, "none")
    gaps = np.abs(values.to_numpy() - base)[neutral.to_numpy()]
    compared = int(np.isfinite(gaps).sum())
    if not compared:
        return None
    largest = float(np.nanmax(gaps))
    which = " and ".join(sorted(set(cells.frame.loc[neutral, "regularizer"])))
    if largest <= 1e-9:
        text = f"{which} at its neutral value gives the numbers of none in all {compared} runs."
        return "pass", text
    sd = float(np.nanmax(spread(base).sd)) if np.isfinite(spread(base).sd).any() else 0.0
    text = (
        f"{which} at its neutral value differs from none by up to {what.text(largest)} with the "
        f"same seed; the standard deviation of none over seeds is {what.text(sd)}."
    )
    return ("warn" if largest <= sd else "fail"), text


def _at_neutral_values(cells: Cells) -> pd.Series[bool]:
    """Which cells apply one method only, at the values at which it says it does nothing."""
    found = pd.Series(False, index=cells.frame.index)
    for name, part in cells.frame.groupby("regularizer", sort=False):
        values = REGULARIZERS[str(name)].neutral if name in REGULARIZERS else {}
        at = {f"{name}.{key}": value for key, value in values.items()}
        if at and at.keys() <= set(part.columns):
            found[part.index] = (part[list(at)] == pd.Series(at)).all(axis=1)
    return found
