from __future__ import annotations

from collections.abc import Callable

import pytest

from regsearch.report import Results
from regsearch.report.table import TableReport, sections

PLANE = {"weight_decay": {"decay": [0.1, 0.2]}, "none": {}}
GAIN = {0.1: [0.10, 0.11, 0.12], 0.2: [0.05, 0.05, 0.05]}


def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
    base = [0.5, 0.6, 0.7][seed]
    return base + (GAIN[settings["decay"]][seed] if kind == "weight_decay" else 0)


def rows_of(results: Results, **config: object) -> list[list[str]]:
    [section] = sections(results, TableReport.model_validate({"kind": "table", **config}))
    return [
        [f"**{entry.text}**" if entry.strong else entry.text for entry in row]
        for row in section.tables[0].rows
    ]


def test_each_regularizer_at_its_best_cell_with_the_best_in_bold(
    make_study: Callable[..., Results],
) -> None:
    """Gains 0.10, 0.11, 0.12: sd 1 point, half-width t(0.975, 2) / sqrt(3) = 2.48."""
    rows = rows_of(make_study(accuracy, PLANE), metrics=["last10", "gap"])
    assert rows == [
        ["weight_decay", "decay=0.1 (best of 2)", "**71.00 ± 11.00**", "**10.00 ± 0.00**", "3",
         "**+11.00 ± 2.48**"],
        ["none", "", "60.00 ± 10.00", "10.00 ± 0.00", "3", ""],
    ]  # fmt: skip


def test_the_best_epoch_of_the_mean_curve_stands_beside_the_mean_of_best_epochs(
    make_study: Callable[..., Results],
) -> None:
    """Two peaks of 0.9 at different epochs: the mean curve is 0.5, 0.7, 0.7, 0.5."""
    results = make_study(lambda *_: 0.5, {"none": {}}, seeds=(0, 1))
    curves = results.curves.assign(test_accuracy=[0.5, 0.9, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5])
    records = results.records.assign(test_accuracy_best=0.9)
    rows = rows_of(results._replace(curves=curves, records=records), metrics=["best"])
    assert rows == [["none", "", "**90.00 ± 0.00**", "**70.00**", "2"]]


def test_facets_head_their_rows(make_study: Callable[..., Results]) -> None:
    rows = rows_of(make_study(accuracy, PLANE, noises=(0.0, 0.4)), metrics=["last10"])
    assert [row[0] for row in rows if len(row) == 1] == ["label noise = 0", "label noise = 0.4"]
    assert len(rows) == 6


def test_every_cell_when_asked(make_study: Callable[..., Results]) -> None:
    rows = rows_of(make_study(accuracy, PLANE), metrics=["last10"], rows="all")
    assert [row[:2] for row in rows] == [
        ["weight_decay", "decay=0.1"], ["weight_decay", "decay=0.2"], ["none", ""],
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["diverged", None])
def test_a_study_without_a_value_has_no_table(
    make_study: Callable[..., Results], status: str | None
) -> None:
    [section] = sections(make_study(lambda *_: status, PLANE), TableReport())
    assert section.tables == []
