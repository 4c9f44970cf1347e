from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest

from regsearch.report import Results
from regsearch.report._base import Entry
from regsearch.report.latex import to_latex
from regsearch.report.table import check, sections
from regsearch.report.table_info import TableReport

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
        ["weight_decay", "decay=0.1", "**71.00 ± 11.00**", "**10.00 ± 0.00**", "3",
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


def test_another_number_of_the_seeds(make_study: Callable[..., Results]) -> None:
    """Twelve seeds 0, 1, 4, ... 121: the mean is 42.17, without 0 and 121 it is 38.5."""
    results = make_study(lambda *a: a[3] ** 2 / 1000, {"none": {}}, seeds=tuple(range(12)))
    metrics = ["last10", "trimmed_mean(last10)", "max(last10)", "min(last10)"]
    [[_, _, mean, trimmed, high, low, n]] = rows_of(results, metrics=metrics, spread="se")
    squares = [k**2 / 10 for k in range(12)]
    error = np.std(squares, ddof=1) / math.sqrt(12)
    winsorised = np.clip(squares, 0.1, 10)
    trimmed_error = math.sqrt(winsorised.var() * 12 / (10 * 9))
    assert mean == f"**4.22 ± {error:.2f}**"
    assert trimmed == f"**3.85 ± {trimmed_error:.2f}**"
    assert (high, low, n) == ("**12.10**", "**0.00**", "12")


def test_adadecays_columns_are_read_from_the_curves(make_study: Callable[..., Results]) -> None:
    """Trial value: mean of the last 10 % of 20 epochs; max: over epochs and trials."""
    results = make_study(lambda *_: 0.5, {"none": {}}, seeds=(0, 1), epochs=20)
    heights = np.tile(np.linspace(0.05, 1, 20), 2) - np.repeat([0, 0.1], 20)
    results = results._replace(
        curves=results.curves.assign(test_accuracy=heights),
        records=results.records.assign(test_accuracy_best=[1.0, 0.9]),
    )
    rows = rows_of(results, metrics=["last10pct", "max(best)"])
    assert rows == [["none", "", "**92.50 ± 7.07**", "**100.00**", "2"]]


def test_levels_stand_side_by_side(make_study: Callable[..., Results]) -> None:
    """The best cell, the best in bold and the contrast are of each level alone."""

    def by_noise(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
        if kind == "none":
            return 0.5 + 0.1 * seed
        if noise and settings["decay"] == 0.1:
            return "diverged" if seed else 0.9
        return accuracy(kind, settings, noise, seed) - noise / 10

    results = make_study(by_noise, PLANE, noises=(0.0, 0.4))
    config = TableReport(metrics=["last10"], columns="label_noise")
    [table] = sections(results, config)[0].tables
    assert table.groups == [("", 1), ("label noise = 0", 2), ("label noise = 0.4", 2), ("", 1)]
    assert table.header == [
        "regularizer", *["mean of the last 10 epochs (%)", "minus none"] * 2, "seeds",
    ]  # fmt: skip
    decay, none = table.rows
    assert [(e.text, e.strong, e.note) for e in decay] == [
        ("weight_decay", False, ""),
        ("71.00 ± 11.00", True, "decay=0.1 (best of 2)"),
        ("+11.00 ± 2.48", True, ""),
        ("61.00 ± 10.00", True, "decay=0.2 (best of 2)"),
        ("+1.00 ± 0.00", True, ""),
        ("3", False, ""),
    ]
    assert [entry.text for entry in none] == [
        "none", "60.00 ± 10.00", "", "60.00 ± 10.00", "", "3",
    ]  # fmt: skip
    assert len(table.data) == 4


def test_levels_ascend_also_where_no_facet_has_all(make_study: Callable[..., Results]) -> None:
    results = make_study(accuracy, {"none": {}}, noises=(0.0, 0.2))
    width = results.planned["dataset.label_noise"].map({0.0: 64, 0.2: 32})
    results = results._replace(
        planned=results.planned.assign(**{"model.width": width}),
        records=results.records.assign(**{"model.width": width}),
        factors=["model.width", "dataset.label_noise"],
    )
    config = TableReport(metrics=["last10"], columns="label_noise")
    [table] = sections(results, config)[0].tables
    assert [title for title, _ in table.groups] == [
        "", "label noise = 0", "label noise = 0.2", "",
    ]  # fmt: skip


def test_every_cell_side_by_side_tells_what_diverged(make_study: Callable[..., Results]) -> None:
    def falls(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
        lost = noise and settings.get("decay") == 0.2 and seed == 0
        return "diverged" if lost else accuracy(kind, settings, noise, seed)

    results = make_study(falls, PLANE, noises=(0.0, 0.4))
    config = TableReport(metrics=["last10"], columns="dataset.label_noise", rows="all")
    [table] = sections(results, config)[0].tables
    assert [[entry.text for entry in row[:2]] for row in table.rows] == [
        ["weight_decay", "decay=0.1"], ["weight_decay", "decay=0.2"], ["none", ""],
    ]  # fmt: skip
    partly = table.rows[1]
    assert partly[4]._asdict() == Entry("70.00 ± 7.07", note="1 of 3 diverged")._asdict()
    assert not partly[5].strong, "a constant gain of the survivors is no gain"
    assert partly[-1].text == "2 to 3"
    assert "A cell with diverged runs shows the others" in table.caption


def test_a_baseline_with_several_cells_is_met_at_its_best(
    make_study: Callable[..., Results],
) -> None:
    """none is 10, 11, 12 points behind the better of the two cells of weight decay."""
    rows = rows_of(make_study(accuracy, PLANE), metrics=["last10"], baseline="weight_decay")
    assert [row[-1] for row in rows] == ["", "**−11.00 ± 2.48**"]  # noqa: RUF001


def test_contrasts_are_one_family(make_study: Callable[..., Results]) -> None:
    """Gains of 10, 11, 12 points: t = 19, p = 0.0027; of 2, 3, 4: t = 5.2, p = 0.035."""
    plane = {"weight_decay": {"decay": [0.1]}, "lasso": {"strength": [0.1]}, "none": {}}

    def small(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        gain = [0.02, 0.03, 0.04][seed] if kind == "lasso" else 0
        return accuracy(kind, settings, noise, seed) + gain

    found = {
        correction: [row[-1] for row in rows_of(make_study(small, {**plane, "b": {}, "c": {}}),
                     metrics=["last10"], correction=correction)]
        for correction in ("none", "holm")
    }  # fmt: skip
    assert found["none"][:2] == ["**+11.00 ± 2.48**", "**+3.00 ± 2.48**"]
    assert found["holm"][:2] == ["**+11.00 ± 2.48**", "+3.00 ± 2.48"]


def test_an_interval_that_is_not_symmetrical_is_given_by_its_ends(
    make_study: Callable[..., Results],
) -> None:
    """Of 0, 1, 5 points the interval ends at percentiles 4.7 and 99.0 of all 27 resamples."""
    results = make_study(lambda *a: 0.5 + [0.0, 0.01, 0.05][a[3]], {"none": {}})
    [[_, _, text, _]] = rows_of(
        results, metrics=["last10"], spread="interval", interval="bootstrap"
    )
    assert text == "**52.00 [50.33,\u00a055.00]**"


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"metrics": ["max(bset)"]}, "metrics[0]: no measured quantity named 'bset'."),
        ({"metrics": ["median(best)"]}, "metrics[0]: no measured quantity named 'median(best)'."),
        ({"columns": "lable_noise"}, "columns: no hyper-parameter or factor named 'lable_noise'."),
        ({"columns": "decay"}, "columns: no hyper-parameter or factor named 'decay'."),
    ],
)
def test_wrong_words_are_found_before_anything_runs(
    config: dict[str, object], problem: str
) -> None:
    columns = ["weight_decay.decay", "dataset.label_noise", "model.width", "test_accuracy"]
    [found] = check(TableReport.model_validate({"kind": "table", **config}), columns)
    assert found.startswith(problem)


def test_a_section_may_head_columns() -> None:
    assert check(TableReport(columns="model"), ["model.kind", "model.width", "test_accuracy"]) == []


def test_latex_has_as_many_fields_as_columns_and_no_bare_sign(
    make_study: Callable[..., Results],
) -> None:
    results = make_study(accuracy, PLANE, noises=(0.0, 0.4))
    for config in (TableReport(), TableReport(columns="label_noise", metrics=["best", "last10"])):
        [table] = sections(results, config)[0].tables
        lines = to_latex(table).splitlines()
        rules = [line for line in lines if line.startswith((r"\toprule", r"\midrule", r"\bottom"))]
        body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
        assert len(rules) == 3
        assert len(body) == len(table.rows)
        assert {line.count(" & ") for line in body} == {len(table.header) - 1}
        assert not re.search(r"[^\x00-\x7f]|(?<!\\)[%_#]", "\n".join(lines[1:]))
        assert r"\textbf{71.00 $\pm$ 11.00}" in "\n".join(body)
    assert r"\cmidrule(lr){2-4} \cmidrule(lr){5-7}" in lines


@pytest.mark.parametrize("status", ["diverged", None])
def test_a_study_without_a_value_has_no_table(
    make_study: Callable[..., Results], status: str | None
) -> None:
    [section] = sections(make_study(lambda *_: status, PLANE), TableReport())
    assert section.tables == []
