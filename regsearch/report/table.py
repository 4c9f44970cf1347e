"""Report ``table``: the form that papers print, mean and spread over seeds, the best in bold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from regsearch.report._base import REPORTS, Entry, Report, Results, Section, Table
from regsearch.report.cell_values import (
    Cells,
    baseline_values,
    factor_groups,
    gather_cells,
    rank_cells,
    seed_values,
)
from regsearch.report.quantities import Quantity, check_quantity, known_quantity, quantity
from regsearch.report.stats import difference, spread
from regsearch.space import Kind


class TableReport(Kind):
    """Each regularizer at its best cell, or every cell, by facet."""

    kind: Literal["table"] = "table"
    metrics: list[str] = Field(
        default_factory=lambda: ["best", "last10", "gap"],
        min_length=1,
        description="last, best, last10, gap, or a column's name",
    )
    rows: Annotated[
        Literal["best", "all"], Field(description="each regularizer's best cell, or every cell")
    ] = "best"
    baseline: Annotated[str, Field(description="regularizer that rows are compared with")] = "none"


def check(config: TableReport, columns: Sequence[str]) -> list[str]:
    """Metrics that a study with these columns does not have."""
    return [
        f"metrics[{i}]: {problem}"
        for i, word in enumerate(config.metrics)
        for problem in check_quantity(word, columns)
    ]


def table_info(results: Results, cells: Cells, config: TableReport) -> pd.DataFrame:
    """One row per printed cell: facet, cell, tried, and per metric mean, sd, n; then the contrast.

    ``tried`` counts the regularizer's cells with a value in that facet, among which the best was
    chosen by the study's metric. ``difference``, ``half_width``, ``p`` compare with the baseline.
    A best epoch is given both ways: ``_mean`` is the mean of each run's own, ``_of_mean`` that of
    the mean curve.
    """
    judged = quantity(results.metric.at, results.metric)
    values = seed_values(results, cells, judged)
    frame = cells.frame.copy()
    for word in config.metrics:
        what = known_quantity(word, results)
        numbers = spread(seed_values(results, cells, what).to_numpy())
        for name, column in zip(("mean", "sd", "n"), numbers, strict=True):
            frame[f"{what.column}_{name}"] = column
        if what.summary == "best" and what.direction and what.name in results.curves:
            frame[f"{what.column}_of_mean"] = best_of_mean(results.curves, cells, what)
    delta = difference(values.to_numpy(), baseline_values(cells, values, config.baseline))
    frame["difference"], frame["half_width"], frame["p"] = delta.mean, delta.half_width, delta.p
    kept = []
    for facet, part in factor_groups(cells, results.factors):
        for _, mine in part.groupby("regularizer", sort=False):
            ranked = rank_cells(mine, values, judged).index
            chosen = ranked[:1] if config.rows == "best" else mine.index
            tried = int(np.isfinite(frame.loc[mine.index, "difference"]).sum()) or len(ranked)
            kept.append(frame.loc[chosen].assign(facet=facet, tried=max(tried, len(ranked))))
    return pd.concat(kept).reset_index(names="cell") if kept else frame.iloc[:0]


def best_of_mean(curves: pd.DataFrame, cells: Cells, what: Quantity) -> pd.Series[float]:
    r"""By cell, the best epoch of the mean curve over completed runs, as trajectory plots show it.

    .. math:: \max_t \tfrac1S \sum_s c_s(t) \le \tfrac1S \sum_s \max_t c_s(t)
    """
    done = cells.runs.loc[cells.runs["status"] == "completed", ["run", "cell"]]
    means = curves.merge(done, on="run").groupby(["cell", "epoch"])[what.name].mean()
    by_cell = means.groupby("cell")
    return by_cell.max() if what.direction > 0 else by_cell.min()


def sections(results: Results, config: TableReport) -> list[Section]:
    """One table; facets are its headed parts."""
    cells = gather_cells(results)
    frame = table_info(results, cells, config)
    if not len(frame):
        return [Section("Table", "No cell has a completed run yet.", [], [])]
    metrics = [quantity(word, results.metric) for word in config.metrics]
    judged = quantity(results.metric.at, results.metric)
    against = (frame["regularizer"] != config.baseline) & frame["difference"].notna()
    shown = [(what, end) for what in metrics for end in ("mean", "of_mean")]
    shown = [(what, end) for what, end in shown if f"{what.column}_{end}" in frame]
    head = ["regularizer", "setting", *(_label(*column) for column in shown), "seeds"]
    head += [f"{judged.words}: minus {config.baseline}, 95 % interval"] if against.any() else []
    rows: list[list[Entry]] = []
    for facet, part in frame.groupby("facet", sort=False):
        rows += [[Entry(str(facet))]] if facet else []
        strong = [_best(part, *column) for column in shown]
        for index, row in part.iterrows():
            entries = [
                _value(row, *column, best == index)
                for column, best in zip(shown, strong, strict=True)
            ]
            label = cells.label(row["cell"], results.factors)
            setting = label.removeprefix(row["regularizer"]).strip()
            if config.rows == "best" and row["tried"] > 1:
                setting += f" (best of {row['tried']})"
            rows.append(
                [Entry(row["regularizer"]), Entry(setting), *entries, _seeds(row, judged, metrics)]
            )
            rows[-1] += [_contrast(row, judged, bool(against.at[index]))] if against.any() else []
    table = Table(_caption(config, judged), head, rows, frame, f"table_{config.rows}")
    return [Section("Table", "", [], [table])]


def _caption(config: TableReport, judged: Quantity) -> str:
    best = f"each regularizer at its best cell by {judged.words.lower()}"
    which = best if config.rows == "best" else "every cell"
    return f"Mean ± standard deviation over seeds, {which}; the best of each column in bold."


def _label(what: Quantity, end: str) -> str:
    return (
        what.label if end == "mean" else what.label.replace("best epoch", "best of the mean curve")
    )


def _best(part: pd.DataFrame, what: Quantity, end: str) -> object:
    """Row with the best value among those without a diverged run."""
    sound = part[part["diverged"] == 0][f"{what.column}_{end}"].dropna()
    return (sound * what.direction).idxmax() if len(sound) and what.direction else None


def _value(row: pd.Series[float], what: Quantity, end: str, strong: bool) -> Entry:
    value = row[f"{what.column}_{end}"]
    if end == "of_mean":
        return Entry(what.text(value), strong=strong)
    return Entry(what.pair(value, row[f"{what.column}_sd"]), strong=strong)


def _seeds(row: pd.Series[float], judged: Quantity, metrics: list[Quantity]) -> Entry:
    n = int(row[f"{metrics[0].column}_n"])
    lost = int(row["diverged"])
    return Entry(f"{n}, {lost} diverged" if lost else str(n))


def _contrast(row: pd.Series[float], judged: Quantity, shown: bool) -> Entry:
    if not shown:
        return Entry("")
    text = f"{judged.text(row['difference'], sign=True)} ± {judged.text(row['half_width'])}"
    return Entry(text, strong=bool(row["p"] < 0.05))


REPORTS.add(
    "table",
    Report(TableReport, "mean and spread, best in bold, as papers print it", check, sections),
)
