"""Which histograms are shown: of chosen cells and layers, seeds pooled, on common ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import pandas as pd

from regsearch.errors import UnknownName
from regsearch.histogram import Histogram, pool
from regsearch.registry import nearest
from regsearch.report._base import Results
from regsearch.report.cell_values import Cells, factor_groups, rank_cells, seed_values
from regsearch.report.quantities import quantity

COLUMNS = 6
"""Layers that are drawn unless others are asked for."""

MARKS = ("lipschitz_median", "lipschitz_p95")

Found = dict[str, Histogram]
"""The histograms of a cell by name, all its completed runs together."""


class Row(NamedTuple):
    """One cell: its histograms by name, and the means over its runs of the marks."""

    cell: str
    label: str
    kind: int  # number of its regularizer in the study
    runs: int
    found: Found
    marks: list[float]


class HistogramInfo(NamedTuple):
    """All that the pictures show; histograms of one name have one range everywhere.

    ``reach`` is the largest magnitude of any bin in use, ``least`` the share of a single value.
    """

    of: str
    names: list[str]
    facets: list[tuple[str, list[Row]]]
    reach: dict[str, float]
    least: dict[str, float]


def histogram_info(
    results: Results, cells: Cells, of: str, wanted: str | Sequence[str], layers: Sequence[str] = ()
) -> HistogramInfo:
    """The histograms ``of`` the ``wanted`` cells by facet; see ``HistogramReport`` for these.

    Raises:
        UnknownName: a cell or a layer that is none of the study's.
    """
    pooled = _pooled(results, cells, of)
    chosen = {cell: pooled[cell] for cell in _chosen(results, cells, wanted) if cell in pooled}
    each = {name: one for found in chosen.values() for name, one in found.items()}
    names = _matching(each, layers) if layers else _spread_out(each)
    high = {name: max(found[name].high for found in chosen.values() if name in found)
            for name in names}  # fmt: skip
    rows = {
        cell: _row(results, cells, cell, {n: found[n].within(high[n]) for n in names if n in found})
        for cell, found in chosen.items()
    }
    facets = [
        (title, [rows[cell] for cell in _in_order(part, cells) if cell in rows])
        for title, part in factor_groups(cells, results.factors)
    ]
    shown = {name: [r.found[name] for r in rows.values() if name in r.found] for name in names}
    return HistogramInfo(
        of,
        names,
        [(title, part) for title, part in facets if part],
        {name: max(map(_reach, some)) for name, some in shown.items()},
        {name: min(1 / max(1, one.counts.sum()) for one in some) for name, some in shown.items()},
    )


def _pooled(results: Results, cells: Cells, of: str) -> dict[str, Found]:
    """By cell; one that lacks a histogram of a completed run is left out."""
    done = cells.runs[cells.runs["status"] == "completed"]
    pooled = {}
    for cell, runs in done.groupby("cell", sort=False)["run"]:
        each = [results.distributions.get(run, {}) for run in runs]
        names = [name for name in each[0] if name.partition("/")[0] == of]
        if names and all(found.keys() >= set(names) for found in each):
            pooled[str(cell)] = {name: pool([found[name] for found in each]) for name in names}
    return pooled


def _chosen(results: Results, cells: Cells, wanted: str | Sequence[str]) -> Iterable[str]:
    """All cells; the best of each regularizer in each facet; or those of these labels."""
    if wanted == "all":
        return cells.frame.index
    if wanted == "best":
        judged = quantity(results.metric.at, results.metric)
        values = seed_values(results, cells, judged)
        return [
            cell
            for _, part in factor_groups(cells, results.factors)
            for _, mine in part.groupby("regularizer", sort=False)
            for cell in rank_cells(mine, values, judged).index[:1]
        ]
    labels = {cell: cells.label(cell, results.factors) for cell in cells.frame.index}
    known = list(dict.fromkeys(labels.values()))
    for label in wanted:
        if label not in known:
            raise UnknownName(
                f"cells: no cell {label!r}.{nearest(label, known)} Known: {', '.join(known)}"
            )
    return [cell for cell, label in labels.items() if label in wanted]


def _in_order(part: pd.DataFrame, cells: Cells) -> list[str]:
    """By regularizer, then by its values in ascending order."""
    kinds = list(cells.varies)

    def place(cell: str) -> tuple[int, list[tuple[float, str]]]:
        kind = cells.regularizer[cell]
        values = [part.at[cell, name] for name in cells.own(kind)]
        numbers = [(v, "") if isinstance(v, int | float) else (0.0, str(v)) for v in values]
        return kinds.index(kind), numbers

    return sorted(part.index, key=place)


def _matching(names: Mapping[str, Histogram], patterns: Sequence[str]) -> list[str]:
    """The names of the layers that match one of ``patterns``, in the model's order."""
    layers = {name: name.partition("/")[2] for name in names}
    for pattern in patterns:
        if layers and not any(fnmatchcase(layer, pattern) for layer in layers.values()):
            raise UnknownName(
                f"layers: no layer matches {pattern!r}.{nearest(pattern, layers.values())} "
                f"Known: {', '.join(layers.values())}"
            )
    return [n for n, layer in layers.items() if any(fnmatchcase(layer, p) for p in patterns)]


def _spread_out(names: Mapping[str, Histogram]) -> list[str]:
    """All names; where they are too many, matrices (which have most bins) from first to last."""
    if len(names) <= COLUMNS:
        return list(names)
    most = max(len(one.counts) for one in names.values())
    matrices = [name for name, one in names.items() if len(one.counts) == most]
    return [matrices[i] for i in np.unique(np.linspace(0, len(matrices) - 1, COLUMNS).astype(int))]


def _reach(found: Histogram) -> float:
    """The largest magnitude of a bin in use."""
    used = found.counts > 0
    low, high = found.edges[:-1][used], found.edges[1:][used]
    return float(np.maximum(-low, high).max(initial=0.0))


def _row(results: Results, cells: Cells, cell: str, found: Found) -> Row:
    records = results.records
    runs = records[(records["cell"] == cell) & (records["status"] == "completed")]
    marks = [float(runs[name].mean()) if name in runs else np.nan for name in MARKS]
    kind = list(cells.varies).index(cells.regularizer[cell])
    return Row(cell, cells.label(cell, results.factors), kind, len(runs), found, marks)
