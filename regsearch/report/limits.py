"""Cells that must agree with no regularizer at all, because theirs does nothing there."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from regsearch.report.cell_values import Cells, baseline_values
from regsearch.report.quantities import Quantity
from regsearch.report.stats import spread

_NEUTRAL = {
    "volumization.alpha": 1.0,
    "weight_decay.decay": 0.0,
    "adadecay.decay": 0.0,
    "random_decay.decay": 0.0,
    "shifted_decay.decay": 0.0,
    "weight_norm_decay.decay": 0.0,
    "path_norm.strength": 0.0,
    "lasso.strength": 0.0,
    "group_lasso.strength": 0.0,
}
"""Value at which a regularizer leaves training alone."""


def limit_cases(
    cells: Cells, values: pd.DataFrame, what: Quantity
) -> tuple[Literal["pass", "warn", "fail"], str] | None:
    """Compare neutral cells with ``none``, seed by seed; ``None`` where there are none.

    The same seed must give the same number. Rounding may differ (a step that multiplies by one is
    not always exact) and training amplifies it, so differences within the baseline's own standard
    deviation warn; larger ones fail.
    """
    neutral = pd.Series(False, index=cells.frame.index)
    for column, value in _NEUTRAL.items():
        if column in cells.frame:
            neutral |= (cells.frame[column] == value) & (
                cells.frame["regularizer"] == column.partition(".")[0]
            )
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
