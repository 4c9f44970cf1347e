"""Studies side by side: the best cell of each, the settings that they share, how they differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from regsearch.api.comparison import Comparison, Contrast, Row, Side, to_text
from regsearch.api.study import Study, open_study
from regsearch.errors import RegsearchError
from regsearch.records.frame import curves_frame, planned_frame, records_frame
from regsearch.report import Metric, Results
from regsearch.report.cell_values import (
    Cells,
    facet_title,
    gather_cells,
    groups_by,
    rank_cells,
    seed_values,
    why_fewer,
)
from regsearch.report.quantities import Quantity, known_quantity
from regsearch.report.stats import (
    Array,
    Correction,
    Difference,
    adjust,
    difference,
    interval,
    spread,
)


def compare(studies: Sequence[str | Path | Study], metric: str | None = None) -> Comparison:
    """Compare studies with the first of them, seed by seed where seeds are common.

    The best cell of a study has the best mean among its cells without a diverged run and with as
    many completed runs as any. Settings are the same if regularizers, hyper-parameters and all
    else agree, but for what each study holds fixed at a value of its own (``train.epochs``).

    Args:
        studies: two or more, as for ``open_study``.
        metric: a column of the records (``test_accuracy_best``), or ``last``, ``best``,
            ``last10``, ``epoch:N`` ... of the first study's metric; without it, as that study
            judges its cells.

    Raises:
        UnknownName: no such study, or one that has no such quantity.
        RegsearchError: fewer than two studies.
    """
    opened = _open(studies)
    judged = opened[0][1].pipeline.spec.metric
    by = Metric(judged.name, judged.goal, judged.at)
    entries = [_entry(name, study, by, metric or by.at) for name, study in opened]
    common = _Common(entries)
    return Comparison(
        tuple(name for name, _ in opened),
        entries[0].quantity,
        _rows(entries, common, common.best(), "holm"),
        _rows(entries, common, common.shared(), "benjamini_hochberg"),
        _differing({name: study.pipeline.spec.resolved() for name, study in opened}),
    )


class _Entry(NamedTuple):
    """A study with its cells; ``values`` has a row for each, and a column for each seed."""

    name: str
    results: Results
    tasks: list[tuple[str, str, dict[str, Any]]]
    cells: Cells
    quantity: Quantity
    values: pd.DataFrame


def _open(studies: Sequence[str | Path | Study]) -> list[tuple[str, Study]]:
    opened = [(s if isinstance(s, Study) else open_study(s)) for s in studies]
    if len({study.folder for study in opened}) < max(2, len(opened)):
        raise RegsearchError("compare needs two studies or more, each of them once")
    names = [study.pipeline.spec.name for study in opened]
    if len(set(names)) < len(names):  # of several folders
        names = [study.folder.name for study in opened]
    if len(set(names)) < len(names):
        names = [str(study.folder) for study in opened]
    return list(zip(names, opened, strict=True))


def _entry(name: str, study: Study, metric: Metric, word: str) -> _Entry:
    records, factors = study.asked_for(), list(study.pipeline.spec.factors)
    tasks = [(record.run, record.cell, record.task) for record in records]
    results = Results(
        name=name,
        question="",
        records=records_frame(records, factors),
        curves=curves_frame(records),
        planned=planned_frame(tasks, factors),
        factors=factors,
        metric=metric,
    )
    cells, quantity = gather_cells(results), known_quantity(word, results)
    return _Entry(name, results, tasks, cells, quantity, seed_values(results, cells, quantity))


Places = list[tuple[str, list[str | None]]]
"""Titles of rows, each with a cell of each study."""


class _Common:
    """The cells of all studies in one table, so that the same words tell them apart."""

    def __init__(self, entries: list[_Entry]) -> None:
        self._entries = entries
        tasks = [task for entry in entries for task in entry.tasks]
        factors = list(dict.fromkeys(f for entry in entries for f in entry.results.factors))
        empty = pd.DataFrame()
        frame = planned_frame(tasks, factors)
        metric = entries[0].results.metric
        self._population = {cell: task.get("population") for _, cell, task in tasks}
        self._cells = gather_cells(Results("", "", empty, empty, frame, factors, metric))
        cells, shared = self._cells.frame, self._cells.shared
        vary = [name for name in shared if cells[name].nunique(dropna=False) > 1]
        self._held = [name for name in vary if self._is_held(name)]
        self._varying = [name for name in vary if name not in self._held]

    def setting(self, cell: str) -> str:
        """What is applied in a cell, in words."""
        return self._cells.label(cell, [*self._held, *self._varying])

    def best(self) -> Places:
        """The best cell of each study at each combination of levels."""
        if not self._entries[0].quantity.direction:
            return []
        rows = []
        for title, part in groups_by(self._cells.frame, self._varying):
            found = [self._best_of(entry, part.index) for entry in self._entries]
            if any(found):
                rows.append((title, found))
        return rows

    def shared(self) -> Places:
        """The settings of which two studies or more have a value, the best first."""
        keys = self._keys()
        of_entry = []
        for entry in self._entries:
            known = entry.values.index[entry.values.notna().any(axis=1)]
            of_entry.append({keys[cell]: str(cell) for cell in known})
        every = dict.fromkeys(key for found in of_entry for key in found)
        rows = [[found.get(key) for found in of_entry] for key in every]
        rows = [cells for cells in rows if sum(cell is not None for cell in cells) > 1]
        rows.sort(key=self._worse)
        return [(self._title(next(filter(None, cells))), cells) for cells in rows]

    def _best_of(self, entry: _Entry, cells: pd.Index[Any]) -> str | None:
        mine = entry.cells.frame[entry.cells.frame.index.isin(cells)]
        ranked = rank_cells(mine, entry.values, entry.quantity)
        return str(ranked.index[0]) if len(ranked) else None

    def _title(self, cell: str) -> str:
        levels = self._cells.frame.loc[cell, self._varying]
        return ", ".join(filter(None, [self.setting(cell), facet_title(self._varying, levels)]))

    def _is_held(self, name: str) -> bool:
        """Whether each study holds it at a value of its own."""
        column = self._cells.frame[name]
        held = [column[entry.cells.frame.index].unique() for entry in self._entries]
        return all(len(values) == 1 for values in held)

    def _keys(self) -> dict[Any, tuple[object, ...]]:
        names = [name for name in self._cells.settings if name not in self._held]
        frame = self._cells.frame[["regularizer", *names]]
        frame = frame.astype(object).where(frame.notna(), None)
        told = frame.itertuples(index=False, name=None)
        return {
            cell: (*values, self._population.get(cell))  # whose members change their settings
            for cell, values in zip(frame.index, told, strict=True)
        }

    def _worse(self, cells: list[str | None]) -> float:
        means = [
            float(np.nanmean(entry.values.loc[[cell]]))
            for entry, cell in zip(self._entries, cells, strict=True)
            if cell is not None
        ]
        return -self._entries[0].quantity.direction * float(np.mean(means))


def _rows(
    entries: list[_Entry], common: _Common, places: Places, correction: Correction
) -> tuple[Row, ...]:
    """Numbers for the cells at ``places``; p is adjusted over all of them."""
    seeds = sorted({seed for entry in entries for seed in entry.values.columns})
    held = [[cells[n] for _, cells in places] for n in range(len(entries))]
    values = [
        entry.values.reindex(index=cells, columns=seeds).to_numpy(dtype=np.float64)
        for entry, cells in zip(entries, held, strict=True)
    ]
    contrasts = _contrasts(values, correction)
    sides = [
        _sides(entry, common, cells, of_entry)
        for entry, cells, of_entry in zip(entries, held, values, strict=True)
    ]
    return tuple(
        Row(
            title,
            tuple(
                replace(of_study[row], minus_first=contrast[row])
                for of_study, contrast, cell in zip(sides, contrasts, cells, strict=True)
                if cell is not None
            ),
        )
        for row, (title, cells) in enumerate(places)
    )


def _sides(
    entry: _Entry, common: _Common, cells: Sequence[str | None], values: Array
) -> list[Side]:
    """A cell in each row, not yet compared."""
    mean, _, n = spread(values)
    low, high = interval(values)
    return [
        Side(
            study=entry.name,
            cell=cell or "",
            setting=common.setting(cell) if cell else "",
            mean=_finite(mean[row]),
            low=_finite(low[row]),
            high=_finite(high[row]),
            seeds=int(n[row]),
            lost=why_fewer(dict(entry.cells.frame.loc[[cell]].iloc[0])) if cell else "",
            minus_first=None,
        )
        for row, cell in enumerate(cells)
    ]


def _contrasts(values: list[Array], correction: Correction) -> list[list[Contrast | None]]:
    """For each study, row by row, its difference from the first."""
    first, *others = values
    found = [difference(other, first) for other in others]
    p = adjust(np.array([each.p for each in found]), correction)
    contrasts = [
        [_contrast(each, p[n], row) for row in range(len(first))] for n, each in enumerate(found)
    ]
    return [[None] * len(first), *contrasts]


def _contrast(found: Difference, p: Array, row: int) -> Contrast | None:
    if not math.isfinite(found.mean[row]):
        return None
    mean, low, high = (_finite(each[row]) for each in (found.mean, found.low, found.high))
    return Contrast(mean, low, high, _finite(p[row]), int(found.n[row]))


def _differing(pipelines: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is not the same in all files, but for names and reports."""
    flat = {study: dict(_by_path(values)) for study, values in pipelines.items()}
    known = dict.fromkeys(path for values in flat.values() for path in values)
    paths = [path for path in known if path != "name" and path.split(".")[0] != "reports"]
    told = {path: {study: values.get(path) for study, values in flat.items()} for path in paths}
    return {path: each for path, each in told.items() if len(set(map(to_text, each.values()))) > 1}


def _by_path(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """``train.epochs``; entries of a list of mappings by their number, ``measure.0.kind``."""
    if isinstance(values, dict):
        inner = values.items()
    elif isinstance(values, list) and any(isinstance(entry, dict | list) for entry in values):
        inner = dict(enumerate(values)).items()
    else:
        yield path, values
        return
    for name, value in inner:
        yield from _by_path(value, f"{path}.{name}" if path else str(name))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
