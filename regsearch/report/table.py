"""Report ``table``: the form that papers print, mean and spread over seeds, the best in bold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from regsearch.errors import UnknownName
from regsearch.metrics import reading
from regsearch.regularizers import REGULARIZERS
from regsearch.report._base import REPORTS, Entry, Report, Results, Section, Table
from regsearch.report.axes import find_column
from regsearch.report.cell_values import factor_columns, gather_cells
from regsearch.report.quantities import check_quantity, quantity, title
from regsearch.report.stats import correction_words, interval_words
from regsearch.report.table_info import (
    Shown,
    TableReport,
    levels_of,
    shown_columns,
    split_word,
    table_info,
)
from regsearch.report.table_rows import Column, Sheet, head_of, rows_of


def check(config: TableReport, columns: Sequence[str]) -> list[str]:
    """Metrics and factors that a study with these columns does not have."""
    problems = [
        f"metrics[{i}]: {problem}"
        for i, word in enumerate(config.metrics)
        for problem in check_quantity(split_word(word)[1], columns)
    ]
    factors = [name for name in columns if _may_head_columns(name)]
    sections = {name.rpartition(".")[0] for name in factors}
    if config.columns is not None and config.columns not in sections:
        try:
            find_column(config.columns, factors)
        except UnknownName as error:
            problems.append(f"columns: {error}")
    return problems


def sections(results: Results, config: TableReport) -> list[Section]:
    """One table; facets are its headed parts, levels its groups of columns."""
    cells = gather_cells(results)
    frame = table_info(results, cells, config)
    if not len(frame):
        return [Section("Table", "No cell has a completed run yet.", [], [])]
    against = (frame["regularizer"] != config.baseline) & frame["difference"].notna()
    without = [*results.factors, *factor_columns(cells, results.factors)]
    judged = quantity(results.metric.at, results.metric)
    shown = list(_columns(config, shown_columns(config, results), frame))
    names = {title(column.what.name) for column in shown}
    subject = names.pop() if len(names) == 1 else ""
    levels = levels_of(frame, config, cells)
    sheet = Sheet(config, cells, judged, subject, shown, levels, without, bool(against.any()))
    rows: list[list[Entry]] = []
    for facet, part in frame.groupby("facet", sort=False):
        rows += [[Entry(str(facet))]] if facet else []
        rows += rows_of(part, sheet)
    head, groups = head_of(sheet)
    name = f"table_{config.rows}"
    table = Table(_caption(frame, sheet), head, rows, frame, name, groups=groups, latex=True)
    return [Section("Table", "", [], [table])]


def _may_head_columns(name: str) -> bool:
    return name.split(".")[0] not in REGULARIZERS and "." in name and reading(name) is None


def _columns(config: TableReport, asked: Sequence[Shown], frame: pd.DataFrame) -> Iterator[Column]:
    for shown in asked:
        yield Column(shown.what, shown.column, shown.label, shown.by)
        of_mean = f"{shown.what.column}_of_mean"
        if config.columns is None and shown.by == "mean" and of_mean in frame:
            label = shown.label.replace("best epoch", "best of the mean curve")
            yield Column(shown.what, of_mean, label, "of_mean")


def _caption(frame: pd.DataFrame, sheet: Sheet) -> str:
    config = sheet.config
    spread = {
        "sd": "± standard deviation",
        "se": "± standard error",
        "interval": f"with its {interval_words(config.interval)}",
    }[config.spread]
    best = f"each regularizer at its best cell by {sheet.judged.words.lower()}"
    which = best if config.rows == "best" else "every cell"
    mean = f"{sheet.subject}: mean" if sheet.subject else "Mean"
    lines = [f"{mean} {spread} over seeds, {which}; the best of each column in bold."]
    if any(column.by == "trimmed_mean" for column in sheet.columns):
        lines.append("A trimmed mean leaves out the lowest and the highest tenth of the seeds.")
    if frame["diverged"].any():
        lines.append("A cell with diverged runs shows the others, and is never bold.")
    if sheet.compared:
        told = config.spread == "interval"
        bounds = "interval" if told else interval_words(config.interval)
        lines.append(
            f"Minus {config.baseline}: the difference in {sheet.judged.words.lower()} over common "
            f"seeds, with its {bounds}."
        )
    if compared := int(frame["p"].notna().sum()):
        tests = correction_words(config.correction, compared)
        lines.append(f"Bold there: paired t-test, {tests}.")
    return " ".join(lines)


REPORTS.add(
    "table",
    Report(TableReport, "mean and spread, best in bold, as papers print it", check, sections),
)
