"""Report ``attack_curves``: accuracy by how far inputs are moved, a line per regularizer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from regsearch.metrics import MEASUREMENTS
from regsearch.metrics.attack import Attack
from regsearch.registry import nearest
from regsearch.report._base import REPORTS, Report, Results, Section
from regsearch.report.axes import check_regularizers, chosen_regularizers
from regsearch.report.cell_values import (
    Cells,
    factor_groups,
    gather_cells,
    rank_cells,
    seed_values,
)
from regsearch.report.lines import Line, LinesInfo, Row, Scale, picture
from regsearch.report.quantities import quantity
from regsearch.report.stats import spread
from regsearch.space import Kind

CLEAN = "test_accuracy"


class AttackCurves(Kind):
    """Test accuracy under attacks against their size, by facet."""

    kind: Literal["attack_curves"] = "attack_curves"
    attacks: list[str] = Field(
        default_factory=list, description="fgsm, pgd; empty: all that the study measures"
    )
    regularizers: list[str] = Field(default_factory=list, description="empty: all of the study")


class Size(NamedTuple):
    """How far inputs may move, and the column with the accuracy on inputs that did."""

    eps: float
    column: str


def attack_sizes(columns: Iterable[str]) -> dict[str, list[Size]]:
    """By attack its sizes, ascending: ``fgsm_0.03_accuracy`` is FGSM of 0.03."""
    kinds = [kind for kind in MEASUREMENTS if issubclass(MEASUREMENTS[kind].config, Attack)]
    pattern = re.compile(rf"({'|'.join(map(re.escape, kinds))})_(\d[\d.e+-]*)_accuracy")
    found: dict[str, list[Size]] = {}
    for column in columns:
        if match := pattern.fullmatch(column):
            found.setdefault(match[1], []).append(Size(float(match[2]), column))
    return {kind: sorted(sizes) for kind, sizes in found.items()}


def check(config: AttackCurves, columns: Sequence[str]) -> list[str]:
    """Attacks that a study with these columns does not measure."""
    measured = attack_sizes(columns)
    problems = check_regularizers(config.regularizers, columns)
    if not measured:
        way_out = "add `measure: [{kind: fgsm, eps: [0.03, 0.06]}]` to the pipeline"
        return [*problems, f"attack_curves: the study measures no attack; {way_out}"]
    return problems + [
        f"attacks[{i}]: the study does not measure {name!r}.{nearest(name, measured)} "
        f"Measured: {', '.join(measured)}"
        for i, name in enumerate(config.attacks)
        if name not in measured
    ]


def attack_info(results: Results, cells: Cells, config: AttackCurves) -> LinesInfo:
    """By facet and attack, each regularizer at its best cell by the study's metric.

    Where an attack was not measured at 0, the accuracy on unmoved inputs stands there.

    Raises:
        UnknownName: a regularizer is none of this study's.
    """
    measured = attack_sizes(results.records.columns)
    attacks = {
        kind: sizes if sizes[0].eps == 0 else [Size(0.0, CLEAN), *sizes]
        for kind, sizes in measured.items()
        if not config.attacks or kind in config.attacks
    }
    judged = quantity(results.metric.at, results.metric)
    values = seed_values(results, cells, judged)
    kinds = chosen_regularizers(cells, config.regularizers)
    tables = {
        column: seed_values(results, cells, quantity(column, results.metric))
        for sizes in attacks.values()
        for _, column in sizes
    }
    facets = []
    for facet, part in factor_groups(cells, results.factors):
        best = {
            kind: str(ranked[0])
            for name, kind in kinds.items()
            if len(ranked := rank_cells(part[part["regularizer"] == name], values, judged).index)
        }
        lines = [
            [_line(cells, cell, kind, sizes, tables, results) for kind, cell in best.items()]
            for sizes in attacks.values()
        ]
        facets.append((facet, lines))
    eps = np.unique([size.eps for sizes in attacks.values() for size in sizes])
    labels = {attack: f"Accuracy under {attack.upper()} (%)" for attack in attacks}
    rows = [Row(attack, label, 100.0, fraction=True) for attack, label in labels.items()]
    return LinesInfo("eps", Scale(), eps, rows, facets)


def _line(
    cells: Cells,
    cell: str,
    kind: int,
    sizes: list[Size],
    tables: dict[str, pd.DataFrame],
    results: Results,
) -> Line:
    values = np.stack([tables[column].loc[cell].to_numpy() for _, column in sizes])
    mean, sd, n = spread(values)
    eps, name = np.array([size.eps for size in sizes]), cells.label(cell, results.factors)
    return Line(name, kind, eps, mean, sd, n, [cell] * len(sizes))


def sections(results: Results, config: AttackCurves) -> list[Section]:
    """One picture with a row for each attack; nothing where the study measures none."""
    if not attack_sizes(results.records.columns):
        return []
    cells = gather_cells(results)
    info = attack_info(results, cells, config)
    if not any(lines for _, rows in info.facets for lines in rows):
        return [Section(_TITLE, "No cell has a completed run yet.", [], [])]
    words = {str(cell): cells.label(str(cell)) for cell in cells.frame.index}
    stem = "attack_curves_" + "_".join(row.name for row in info.rows)
    return [Section(_TITLE, _READING, [picture(stem, _CAPTION, info, words)], [])]


_TITLE = "Accuracy under attack"
_CAPTION = (
    "Test accuracy against eps, the farthest that an attack may move an input in the maximum norm: "
    "each regularizer at its best cell by the study's metric, mean over seeds with a band of one "
    "standard deviation; at 0 inputs are not moved."
)
_READING = (
    "White-box attacks: each network is attacked by its own gradient. The metric by which the cell "
    "was chosen does not look at attacks unless the study says so. A method under which a weak "
    "attack works better than a strong one hides its gradient."
)

REPORTS.add(
    "attack_curves",
    Report(AttackCurves, "accuracy against the size of an attack", check, sections),
)
