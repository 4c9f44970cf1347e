"""What the page opens with and closes with: facts, failures by cause, how to reproduce."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from regsearch.report._base import Entry, Results, Table
from regsearch.report.cell_values import STATUSES, Cells
from regsearch.report.commands import run_command
from regsearch.report.quantities import number, quantity
from regsearch.report.regions import region

STATUS_WORDS = {"missing": "not run yet", "stopped": "stopped early"}
_OWN_PLACE = ("command", "versions")  # facts that are told elsewhere on the page


def status_counts(cells: Cells) -> list[tuple[str, str, int]]:
    """Status, how it is called, and its number of runs; only those that occur."""
    counts = cells.runs["status"].value_counts()
    present = [(status, int(counts.get(status, 0))) for status in STATUSES]
    return [(status, STATUS_WORDS.get(status, status), n) for status, n in present if n]


def facts(results: Results, cells: Cells) -> list[tuple[str, str]]:
    """Name and value of what a reader wants to know first."""
    runs, records = cells.runs, results.records
    seeds = sorted(int(seed) for seed in runs["seed"].dropna().unique())
    judged = quantity(results.metric.at, results.metric)
    found = [
        ("runs", f"{len(runs)} in {len(cells.frame)} cells"),
        ("seeds", ", ".join(map(str, seeds[:12])) + (" …" if len(seeds) > 12 else "")),
        ("judged by", f"{judged.words}, {results.metric.goal}d"),
    ]
    for name in results.factors:
        if name in cells.frame:
            values = cells.frame[name].dropna().unique()
            found.append((name, ", ".join(number(value) for value in values)))
    if len(records):
        found.append(("training time", duration(float(records["seconds"].sum()))))
        found.append(("recorded", _period(records)))
    given = [(k, v) for k, v in results.facts.items() if k not in _OWN_PLACE]
    return found + [(str(k).replace("_", " "), _plain(v)) for k, v in given]


def versions(results: Results) -> str:
    """Package versions on one line."""
    return _plain(results.facts.get("versions", ""))


def failures(results: Results, cells: Cells) -> Table | None:
    """Runs that ended early, grouped by what ended them; numbers in a cause are left out."""
    records = results.records
    lost = (
        records[records["status"].isin(["diverged", "failed", "stopped"])]
        if len(records)
        else records
    )
    if not len(lost):
        return None
    causes = lost["reason"].fillna("no reason recorded").map(_cause)
    rows = []
    groups = lost.assign(cause=causes).groupby(["status", "cause"], sort=False)
    for (status, cause), mine in sorted(groups, key=lambda group: -len(group[1])):
        where = region(cells, pd.Index(mine["cell"].unique()))
        command = run_command(results, str(mine["run"].iloc[0]))
        example = str(mine["reason"].iloc[0]) if len(mine) == 1 else str(cause)
        rows.append([
            Entry(example), Entry(str(status)), Entry(str(len(mine))), Entry(where),
            Entry(command, code=True),
        ])  # fmt: skip
    head = ["cause", "status", "runs", "where", "one of them"]
    data = lost[["run", "cell", "status", "reason"]].reset_index(drop=True)
    return Table("", head, rows, data, "failures")


def duration(seconds: float) -> str:
    """``3.2 h``, ``5 min``, ``12 s``."""
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _period(records: pd.DataFrame) -> str:
    first, last = str(records["started"].min())[:16], str(records["finished"].max())[:16]
    return f"{first.replace('T', ' ')} to {last.replace('T', ' ')} UTC"


def _cause(reason: object) -> str:
    """The first line, numbers replaced, so that equal causes are counted together."""
    line = str(reason).strip().splitlines()[0] if str(reason).strip() else "no reason recorded"
    return re.sub(r"\d+(\.\d+)?", "…", line)[:200]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
