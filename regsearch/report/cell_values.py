"""Runs gathered into cells: what was planned, how it ended, and one value per seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from regsearch.report._base import Results
from regsearch.report.quantities import Quantity, number
from regsearch.report.stats import Array, spread
from regsearch.train.summary import value_at

STATUSES = ["completed", "diverged", "failed", "stopped", "missing", "unasked"]
UNASKED = "not asked by the search"
_IDENTITY = ["run", "cell", "regularizer", "seed"]


class Cells(NamedTuple):
    """All cells of a study, planned or recorded, and all its runs.

    ``frame`` has one row per cell (index: its hash): ``regularizer``, the settings, ``planned``
    and one count per status. ``runs`` has one row per run, ``status`` missing where it is not
    recorded, unasked where its search left it out. ``shared`` are the settings that do not belong
    to a regularizer. ``varies`` lists per regularizer the settings that take several values;
    ``words`` says in each cell what they are (``{"volumization.v": "v=0.5"}``).
    """

    frame: pd.DataFrame
    runs: pd.DataFrame
    settings: list[str]
    shared: list[str]
    varies: dict[str, list[str]]
    regularizer: dict[str, str]
    words: dict[str, dict[str, str]]

    def varying(self, regularizer: str) -> list[str]:
        """Settings that take more than one value among the cells of ``regularizer``."""
        return self.varies[regularizer]

    def own(self, regularizer: str) -> list[str]:
        """The varying hyper-parameters of ``regularizer``, without what is shared by all."""
        return [name for name in self.varying(regularizer) if name not in self.shared]

    def label(self, cell: str, without: Collection[str] = ()) -> str:
        """``volumization v=0.5 alpha=1``: what varies in a cell, in words."""
        parts = [word for name, word in self.words[cell].items() if name not in without]
        return " ".join([self.regularizer[cell], *parts])


def gather_cells(results: Results, *, whole: bool = False) -> Cells:
    """The cells of ``results``, in the order in which they were planned.

    ``whole``: with those of a declared grid that its search has not asked for.
    """
    settings = _setting_columns(results)
    parts = [results.planned, results.records, *([results.unasked] if whole else [])]
    frames = [frame.reindex(columns=[*_IDENTITY, *settings]) for frame in parts]
    frames = [frame for frame in frames if len(frame)] or frames[:1]
    runs = pd.concat(frames, ignore_index=True).drop_duplicates("run", ignore_index=True)
    runs["status"] = _statuses(runs, results.records)
    if whole and len(results.unasked):
        runs.loc[runs["run"].isin(results.unasked["run"]), "status"] = "unasked"
    frame = runs.drop_duplicates("cell").set_index("cell")[["regularizer", *settings]]
    counts = pd.crosstab(runs["cell"], runs["status"]).reindex(columns=STATUSES, fill_value=0)
    frame = frame.join(counts).fillna(dict.fromkeys(STATUSES, 0))
    frame["planned"] = frame[STATUSES].sum(axis=1)
    kinds = {kind for name in frame["regularizer"].unique() for kind in name.split(" + ")}
    shared = [name for name in settings if name.split(".")[0] not in kinds]
    regularizer = {str(cell): str(name) for cell, name in frame["regularizer"].items()}
    groups = frame.groupby("regularizer", sort=False)[settings]
    varies = {str(name): [c for c in settings if part[c].nunique() > 1] for name, part in groups}
    names = {name: _short(columns) for name, columns in varies.items()}
    words = {
        str(cell): {
            c: f"{name}={number(row[c], 4)}" for c, name in names[regularizer[str(cell)]].items()
        }
        for cell, row in frame[settings].to_dict("index").items()
    }
    return Cells(frame, runs, settings, shared, varies, regularizer, words)


def _short(columns: list[str]) -> dict[str, str]:
    """The last part of each column's name; all of it where two columns share that part."""
    last = {column: column.rpartition(".")[2] for column in columns}
    count = Counter(last.values())
    return {column: name if count[name] == 1 else column for column, name in last.items()}


def seed_values(results: Results, cells: Cells, what: Quantity) -> pd.DataFrame:
    """Value of each completed run: index as ``cells.frame``, one column per seed, NaN for none.

    Runs that diverged, failed or were stopped early have no value, so that best, last and gap of
    a cell are means over the same runs.
    """
    records = results.records
    done = records[records["status"] == "completed"] if len(records) else records
    if what.of_curve and len(done):
        done = done.assign(**{what.column: done["run"].map(_read_curves(results.curves, what))})
    if not len(done) or what.column not in done:
        return pd.DataFrame(index=cells.frame.index, columns=pd.Index([0]), dtype=float)
    values = done.assign(value=pd.to_numeric(done[what.column]))
    wide = values.pivot_table("value", "cell", "seed", aggfunc="first", dropna=False)
    return wide.replace([np.inf, -np.inf], np.nan).reindex(cells.frame.index).astype(float)


def _read_curves(curves: pd.DataFrame, what: Quantity) -> dict[str, float | None]:
    """By run, the number that ``what`` reads from its curve; nothing where it has none."""
    if what.name not in curves:
        return {}
    number, runs = pd.factorize(curves["run"])
    order = np.lexsort((curves["epoch"], number))
    starts = np.searchsorted(number[order], np.arange(1, len(runs)))
    each = np.split(curves[what.name].to_numpy(dtype=np.float64)[order], starts)
    values = (value_at(curve, what.summary, what.direction >= 0) for curve in each)
    return dict(zip(map(str, runs), values, strict=False))  # without curves, no run


def why_fewer(counts: Mapping[Any, Any]) -> str:
    """``1 of 3 diverged, 1 not run yet``; empty where every planned run has a value."""
    words = {
        "diverged": "diverged", "failed": "failed", "stopped": "stopped early",
        "missing": "not run yet", "unasked": UNASKED,
    }  # fmt: skip
    lost = {word: counts[status] for status, word in words.items()}
    planned = counts["planned"]
    parts = [f"{n} of {planned} {word}" for word, n in lost.items() if n and n < planned]
    return ", ".join(parts or [word for word, n in lost.items() if n == planned])


def baseline_values(cells: Cells, values: pd.DataFrame, baseline: str) -> Array:
    """For each cell, the values ``[S]`` of the baseline under the same shared settings.

    NaN where the study has no such cell, or several.
    """
    keys = cells.frame[cells.shared].astype(object).where(cells.frame[cells.shared].notna(), None)
    key_of = dict(zip(keys.index, keys.itertuples(index=False, name=None), strict=True))
    found: dict[tuple[object, ...], list[str]] = {}
    for cell in cells.frame.index[cells.frame["regularizer"] == baseline]:
        found.setdefault(key_of[cell], []).append(cell)
    one = {key: names[0] for key, names in found.items() if len(names) == 1}
    rows = [one.get(key_of[cell]) for cell in cells.frame.index]
    return values.reindex(rows).to_numpy(dtype=np.float64)


def factor_columns(cells: Cells, factors: Iterable[str]) -> list[str]:
    """Columns that vary and belong to ``factors``; to a section such as ``model`` all within it."""
    belongs = [
        name for name in cells.shared if any(f"{name}.".startswith(f"{f}.") for f in factors)
    ]
    return [name for name in belongs if cells.frame[name].nunique() > 1]


def factor_groups(cells: Cells, factors: Iterable[str]) -> list[tuple[str, pd.DataFrame]]:
    """Title and cells of each combination of the factors that vary, in ascending order."""
    return groups_by(cells.frame, factor_columns(cells, factors))


def groups_by(frame: pd.DataFrame, columns: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """Title and rows of each combination of values in ``columns``, in ascending order."""
    if not columns:
        return [("", frame)]
    groups = frame.groupby(columns, sort=True, dropna=False)
    return [(facet_title(columns, key), part) for key, part in groups]


def facet_title(columns: Sequence[str], key: Iterable[object]) -> str:
    """``label noise = 0.4, width = 64``."""
    words = [name.rpartition(".")[2].replace("_", " ") for name in columns]
    return ", ".join(f"{w} = {number(value)}" for w, value in zip(words, key, strict=True))


def rank_cells(part: pd.DataFrame, values: pd.DataFrame, what: Quantity) -> pd.DataFrame:
    """Mean, sd and n of the comparable cells of ``part``, best first.

    Comparable are cells with as many seeds as any, none of them diverged: a cell must not win
    because its worst runs have no value. Without a direction, the order is that of ``part``.
    """
    mean, sd, n = spread(values.loc[part.index].to_numpy())
    table = pd.DataFrame({"mean": mean, "sd": sd, "n": n.astype(int)}, index=part.index)
    sound = table[(table["n"] > 0) & (part["diverged"] == 0)]
    full = sound[sound["n"] == sound["n"].max()]
    if not what.direction:
        return full
    return full.sort_values("mean", ascending=what.direction < 0, kind="stable")


def _setting_columns(results: Results) -> list[str]:
    planned = [name for name in results.planned.columns if name not in _IDENTITY]
    columns = list(results.records.columns)
    recorded: list[str] = []
    if {"regularizer", "seed"} <= set(columns):
        recorded = columns[columns.index("regularizer") + 1 : columns.index("seed")]
    return list(dict.fromkeys([*planned, *recorded]))


def _statuses(runs: pd.DataFrame, records: pd.DataFrame) -> pd.Series[str]:
    if not len(records):
        return pd.Series("missing", index=runs.index, dtype=object)
    known = dict(zip(records["run"], records["status"].astype(str), strict=True))
    return runs["run"].map(lambda run: known.get(run, "missing")).astype(object)
