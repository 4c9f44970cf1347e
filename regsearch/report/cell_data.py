"""What a click on a cell shows: its runs, their curves and commands, once for the whole page."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from regsearch.report._base import Results
from regsearch.report.cell_values import Cells, seed_values
from regsearch.report.commands import run_command
from regsearch.report.opening import STATUS_WORDS
from regsearch.report.quantities import Quantity, quantity

BUDGET = 160_000
"""Points of all curves together; keeps a page with thousands of runs at a few MB."""


def cell_data(results: Results, cells: Cells) -> dict[str, Any]:
    """Plain JSON values; fractions are whole numbers of 1e-4, other quantities have 4 digits.

    ``epochs`` are the epochs at which every curve is given, as far as the run went.
    """
    judged = quantity(results.metric.at, results.metric)
    curves, epochs = _thinned(results, judged)
    known = seed_values(results, cells, judged).stack().to_dict()
    by_cell: dict[str, Any] = {}
    for run in cells.runs.to_dict("records"):
        cell = run["cell"]
        entry = by_cell.setdefault(cell, {"label": cells.label(cell), "runs": []})
        status = run["status"]
        value = known.get((cell, run["seed"]), math.nan)
        shown = judged.text(value) if status == "completed" else STATUS_WORDS.get(status, status)
        curve = curves.get(run["run"], [])
        entry["runs"].append([run["run"], int(run["seed"]), status, shown, curve])
    return {
        "command": run_command(results),
        "judged": judged.label,
        "quantity": judged.name.replace("_", " ") + (" (%)" if judged.percent else ""),
        "unit": 0.01 if judged.percent else 1,
        "epochs": epochs,
        "cells": by_cell,
    }


def _thinned(results: Results, judged: Quantity) -> tuple[dict[str, list[float]], list[int]]:
    """Curves of all runs at evenly spaced epochs, always with the first and the last."""
    curves = results.curves
    if not len(curves) or judged.name not in curves:
        return {}, []
    last = int(curves["epoch"].max())
    points = int(np.clip(BUDGET // curves["run"].nunique(), 10, 80))
    epochs = np.unique(np.linspace(1, last, points).round().astype(int))
    kept = curves[curves["epoch"].isin(epochs) & curves[judged.name].notna()]
    number, runs = pd.factorize(kept["run"])
    order = np.lexsort((kept["epoch"], number))
    scaled = kept[judged.name].to_numpy(dtype=np.float64)[order]
    values = ((scaled * 1e4).round().astype(int) if judged.percent else _digits(scaled)).tolist()
    ends = np.searchsorted(number[order], np.arange(len(runs)), side="right").tolist()
    parts = zip(map(str, runs), [0, *ends], ends, strict=False)
    return {run: values[start:end] for run, start, end in parts}, epochs.tolist()


def _digits(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, Any]:
    """Four significant digits; a value without a finite number of digits becomes 0."""
    finite = np.where(np.isfinite(values) & (values != 0), values, 1.0)
    decimals = 3 - np.floor(np.log10(np.abs(finite)))
    factor = 10.0**decimals
    return np.where(np.isfinite(values), np.round(values * factor) / factor, 0.0)
