"""The rows of a table as text: numbers with their spread, the best in bold, and what was lost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from regsearch.report._base import Entry
from regsearch.report.cell_values import Cells, why_fewer
from regsearch.report.quantities import Quantity
from regsearch.report.stats import LEVEL
from regsearch.report.table_info import TableReport

Row = dict[str, Any]  # of the numbers of a table, by column


class Column(NamedTuple):
    """A printed column of numbers: where they are, and how they are written."""

    what: Quantity
    column: str
    label: str
    by: str  # what the seeds come to; of_mean: a number of the mean curve

    @property
    def spreads(self) -> bool:
        """Whether a spread over seeds belongs to the number."""
        return self.by in ("mean", "trimmed_mean")


class Sheet(NamedTuple):
    """All that the rows are written from."""

    config: TableReport
    cells: Cells
    judged: Quantity
    subject: str  # the quantity that all columns are of, which the caption names; or nothing
    columns: list[Column]
    levels: Sequence[str]  # [""] where the table is a plain list
    without: list[str]  # settings that a row does not name, as its facet or level does
    compared: bool


def head_of(sheet: Sheet) -> tuple[list[str], list[tuple[str, int]]]:
    """Titles of the columns, and of the groups that they belong to."""
    numbers = [column.label.removeprefix(f"{sheet.subject}, ") for column in sheet.columns]
    numbers += [f"minus {sheet.config.baseline}"] if sheet.compared else []
    if sheet.levels == [""]:
        words, shown = ["regularizer", "setting"], len(sheet.columns)
        return [*words, *numbers[:shown], "seeds", *numbers[shown:]], []
    words = _same(sheet)
    groups = [("", len(words)), *((level, len(numbers)) for level in sheet.levels), ("", 1)]
    return [*words, *numbers * len(sheet.levels), "seeds"], groups


def rows_of(part: pd.DataFrame, sheet: Sheet) -> Iterator[list[Entry]]:
    """The rows of one facet: one per cell, or one per setting with its levels side by side."""
    best = {
        level: [_best(mine, column) for column in sheet.columns]
        for level, mine in part.groupby("level")
    }
    together: dict[object, list[Row]] = {}
    for index, row in zip(part.index, _records(part), strict=True):
        row["setting"] = _setting(row, sheet)
        row["bold"] = [index == one for one in best[row["level"]]]
        key = index if sheet.levels == [""] else tuple(row[name] for name in _same(sheet))
        together.setdefault(key, []).append(row)
    for rows in together.values():
        yield _alone(rows[0], sheet) if sheet.levels == [""] else _side_by_side(rows, sheet)


def _records(part: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in part.to_dict("records")]


def _alone(row: Row, sheet: Sheet) -> list[Entry]:
    words = [Entry(row["regularizer"]), Entry(row["setting"], note=_tried(row, sheet))]
    contrast = [_contrast(row, sheet)] if sheet.compared else []
    return [*words, *_numbers(row, sheet), Entry(_seeds(row, sheet)), *contrast]


def _side_by_side(rows: list[Row], sheet: Sheet) -> list[Entry]:
    """One row: under the first number of each level stands what is of that level alone."""
    entries = [Entry(str(rows[0][name])) for name in _same(sheet)]
    found = {row["level"]: row for row in rows}
    for level in sheet.levels:
        row = found.get(level)
        if row is None:
            entries += [Entry("–")] * (len(sheet.columns) + sheet.compared)  # noqa: RUF001
            continue
        numbers = _numbers(row, sheet)
        setting = f"{row['setting']} {_tried(row, sheet)}".strip()
        notes = [setting if sheet.config.rows == "best" else "", why_fewer(row)]
        numbers[0] = numbers[0]._replace(note=", ".join(note for note in notes if note))
        entries += [*numbers, *([_contrast(row, sheet)] if sheet.compared else [])]
    n = sorted({int(row[f"{sheet.columns[0].what.column}_n"]) for row in rows})
    return [*entries, Entry(str(n[0]) if len(n) == 1 else f"{n[0]} to {n[-1]}")]


def _same(sheet: Sheet) -> list[str]:
    """What a row is, where levels stand side by side."""
    return ["regularizer", "setting"] if sheet.config.rows == "all" else ["regularizer"]


def _setting(row: Row, sheet: Sheet) -> str:
    label = sheet.cells.label(row["cell"], sheet.without)
    return label.removeprefix(row["regularizer"]).strip()


def _numbers(row: Row, sheet: Sheet) -> list[Entry]:
    return [
        Entry(_value(row, column, sheet.config), strong=bold)
        for column, bold in zip(sheet.columns, row["bold"], strict=True)
    ]


def _value(row: Row, column: Column, config: TableReport) -> str:
    what, value = column.what, row[column.column]
    if not column.spreads:
        return what.text(value)
    if config.spread == "interval":
        low, high = row[f"{column.column}_low"], row[f"{column.column}_high"]
        return _within(what, value, low, high, config)
    spread = row[f"{what.column}_sd" if config.spread == "sd" else f"{column.column}_se"]
    return what.pair(value, spread) if math.isfinite(spread) else what.text(value)


def _within(
    what: Quantity, value: float, low: float, high: float, config: TableReport, sign: bool = False
) -> str:
    """``71.00 ± 2.48``, or ``71.00 [68.90, 74.10]`` for an interval that is not symmetrical."""
    if config.interval == "t" or not math.isfinite(low):
        half = (high - low) / 2
        return f"{what.text(value, sign)} ± {what.text(half)}" if sign else what.pair(value, half)
    ends = f"{what.text(low, sign)},\N{NO-BREAK SPACE}{what.text(high, sign)}"
    return f"{what.text(value, sign)} [{ends}]"


def _tried(row: Row, sheet: Sheet) -> str:
    """Among how many cells the row was chosen."""
    return f"(best of {row['tried']})" if sheet.config.rows == "best" and row["tried"] > 1 else ""


def _best(part: pd.DataFrame, column: Column) -> object:
    """Row with the best value among those without a diverged run."""
    sound = part[part["diverged"] == 0][column.column].dropna()
    direction = column.what.direction
    return (sound * direction).idxmax() if len(sound) and direction else None


def _seeds(row: Row, sheet: Sheet) -> str:
    """How many seeds have a value, and what became of the others."""
    n = int(row[f"{sheet.columns[0].what.column}_n"])
    words = {"diverged": "diverged", "failed": "failed", "stopped": "stopped", "missing": "not run"}
    lost = [f"{int(row[status])} {word}" for status, word in words.items() if row[status]]
    return ", ".join([str(n), *lost])


def _contrast(row: Row, sheet: Sheet) -> Entry:
    if row["regularizer"] == sheet.config.baseline or not math.isfinite(row["difference"]):
        return Entry("")
    ends = row["difference"], row["low"], row["high"]
    text = _within(sheet.judged, *ends, sheet.config, sign=True)
    return Entry(text, strong=bool(row["p"] < LEVEL))
