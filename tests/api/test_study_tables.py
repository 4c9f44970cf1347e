"""The tables of a study, from records whose values are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regsearch.api import Study, reporting
from regsearch.errors import RegsearchError, UnknownName
from regsearch.histogram import Histogram
from regsearch.records import Status
from regsearch.study.expand import PlannedRun
from tests.recorded import PLANE, accuracy, record_all, write_study
from tests.tiny import load_tiny

NOISES = {"dataset.label_noise": [0.0, 0.4]}


def point(run: PlannedRun) -> tuple[float, float, float, int]:
    """What tells runs of the plane apart: v, alpha, noise, seed."""
    [entry] = run.task.regularizers
    values = entry.model_dump()
    return values["v"], values["alpha"], run.task.dataset.label_noise, run.task.seed


def known(run: PlannedRun) -> dict[str, Any]:
    """An accuracy from which its run can be read: tenths of v, hundreds of alpha, and so on."""
    v, alpha, noise, seed = point(run)
    return accuracy(v / 10 + alpha / 100 + noise / 1000 + seed / 10_000)


def test_a_phase_diagram_is_the_mean_over_seeds_at_one_noise(tmp_path: Path) -> None:
    study = write_study(tmp_path, known, search_space=PLANE, factors=NOISES, seeds=2)
    table = study.phase_diagram(
        "volumization.v", "volumization.alpha", where={"dataset.label_noise": 0.4}
    )
    assert list(table.index) == [0.0, -1.0]
    assert list(table.columns) == [0.5, 1.0]
    expected = [[0.05, 0.1], [0.05 - 0.01, 0.1 - 0.01]]
    np.testing.assert_allclose(table, np.add(expected, 0.0004 + 0.00005), rtol=0, atol=1e-12)


def test_a_cell_with_a_run_that_has_no_value_has_none(tmp_path: Path) -> None:
    def values(run: PlannedRun) -> dict[str, Any]:
        lost = point(run) == (1.0, 0.0, 0.0, 1)
        return {**accuracy(None), "status": Status.DIVERGED} if lost else known(run)

    study = write_study(tmp_path, values, search_space=PLANE, seeds=2)
    table = study.phase_diagram("volumization.v", "volumization.alpha")
    assert np.isnan(table.loc[0.0, 1.0])
    assert table.notna().sum().sum() == 3


MIXED: list[tuple[dict[str, Any], tuple[str, str], dict[str, Any], str]] = [
    ({"factors": NOISES}, ("volumization.v", "volumization.alpha"), {}, "dataset.label_noise"),
    ({"factors": NOISES}, ("volumization.v", "dataset.label_noise"), {}, "volumization.alpha"),
    (
        {"factors": {**NOISES, "train.batch_size": [8, 16]},
         "train": {"optimizer": {"kind": "adam"}, "epochs": 2}},
        ("volumization.v", "volumization.alpha"),
        {"dataset.label_noise": 0.0},
        "train.batch_size",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "axes", "where", "named"), MIXED)
def test_runs_that_differ_in_more_are_never_averaged(
    tmp_path: Path,
    changes: dict[str, Any],
    axes: tuple[str, str],
    where: dict[str, Any],
    named: str,
) -> None:
    study = write_study(tmp_path, known, search_space=PLANE, **changes)
    with pytest.raises(UnknownName, match=f"where={{'{named}': "):
        study.phase_diagram(*axes, where=where)


def test_the_regularizer_is_to_be_chosen_before_its_values(tmp_path: Path) -> None:
    space = {"regularizers": [*PLANE["regularizers"], {"kind": "weight_decay", "decay": [0.1, 1]}]}
    study = write_study(tmp_path, lambda run: accuracy(0.5), search_space=space, factors=NOISES)
    axes = ("dataset.label_noise", "seed")
    with pytest.raises(UnknownName, match=r"where=\{'regularizer': 'volumization'\}"):
        study.phase_diagram(*axes)
    with pytest.raises(UnknownName, match=r"differ in weight_decay\.decay \(0\.1, 1\.0\), and"):
        study.phase_diagram(*axes, where={"regularizer": "weight_decay"})
    plane = study.phase_diagram("volumization.v", "volumization.alpha", where={
        "dataset.label_noise": 0.4})  # fmt: skip
    assert plane.shape == (2, 2), "the other regularizer has no place in the plane"


def test_a_list_is_chosen_as_it_is_written(tmp_path: Path) -> None:
    changes = {"model": {"kind": "mlp"}, "factors": {"model.widths": [[2], [3]]}}
    study = write_study(tmp_path, known, search_space=PLANE, **changes)
    axes = ("volumization.v", "volumization.alpha")
    assert study.phase_diagram(*axes, where={"model.widths": [3]}).shape == (2, 2)


Ask = Callable[[Study], Any]
UNKNOWN: list[tuple[Ask, str]] = [
    (lambda s: s.phase_diagram("volumization.V", "volumization.alpha"), "mean 'volumization.v'"),
    (lambda s: s.phase_diagram("volumization.v", "volumization.alpha", where={"dataset.noise": 1}),
     "no column 'dataset.noise'"),
    (lambda s: s.phase_diagram("volumization.v", "volumization.alpha",
     where={"dataset.label_noise": 0.3}), "label_noise = 0.3. There are: 0.0, 0.4"),
    (lambda s: s.pareto({"test_acuracy": "maximize"}), "mean 'test_accuracy'"),
    (lambda s: s.pareto({"test_accuracy": "max"}), "maximize or minimize, got 'max'"),
    (lambda s: s.pareto({"test_accuracy": "maximize"}), "where={'dataset.label_noise': "),
    (lambda s: s.find("zz"), "0 runs of study begin with 'zz'"),
    (lambda s: s.find(""), "16 runs of study begin with ''"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "told"), UNKNOWN)
def test_what_is_not_there_is_named(tmp_path: Path, ask: Ask, told: str) -> None:
    study = write_study(tmp_path, known, search_space=PLANE, factors=NOISES)
    with pytest.raises(UnknownName) as error:
        ask(study)
    assert told in str(error.value)


def test_the_pareto_front_of_four_cells_at_one_noise(tmp_path: Path) -> None:
    # v, alpha: accuracy, norm. The first is beaten by the second in both, the others are a trade
    trades = {(0.5, -1.0): (0.6, 3.0), (0.5, 0.0): (0.7, 2.0), (1.0, -1.0): (0.9, 5.0),
              (1.0, 0.0): (0.2, 1.0)}  # fmt: skip

    def values(run: PlannedRun) -> dict[str, Any]:
        v, alpha, noise, seed = point(run)
        high, norm = trades[v, alpha]
        wave = 0.01 * (-1) ** seed  # gone in the mean of two seeds
        return {"metrics": {"test_accuracy": high + wave - noise, "weight_norm": norm + wave}}

    study = write_study(tmp_path, values, search_space=PLANE, factors=NOISES, seeds=2)
    objectives = {"test_accuracy": "maximize", "weight_norm": "minimize"}
    front = study.pareto(objectives, where={"dataset.label_noise": 0.4})
    found = front.set_index(["volumization.v", "volumization.alpha"])
    assert sorted(found.index) == [(0.5, 0.0), (1.0, -1.0), (1.0, 0.0)]
    for place, (high, norm) in trades.items():
        if place in found.index:
            np.testing.assert_allclose(found.loc[place, "test_accuracy"], high - 0.4)
            np.testing.assert_allclose(found.loc[place, "weight_norm"], norm)
            assert found.loc[place, "n"] == 2


def test_every_table_is_of_the_runs_that_the_file_asks_for(tmp_path: Path) -> None:
    write_study(tmp_path, known, search_space=PLANE, seeds=5)
    narrowed = write_study(tmp_path, known, search_space=PLANE, seeds=[1, 3])
    assert sorted(narrowed.records["seed"]) == [1, 1, 1, 1, 3, 3, 3, 3]
    assert narrowed.curves["run"].nunique() == 8
    assert narrowed.status()["completed"] == narrowed.status()["planned"] == 8
    assert set(reporting.gather(narrowed).records["run"]) == set(narrowed.records["run"])
    assert len(json.loads(narrowed.export("json") or "")) == 8
    again = write_study(tmp_path, known, search_space=PLANE, seeds=5)
    assert len(again.records) == 20


def test_a_study_that_grows_is_read_anew(tmp_path: Path) -> None:
    study = write_study(tmp_path, known, search_space=PLANE)
    assert len(study.records) == 8
    record_all(study.folder, load_tiny(tmp_path, search_space=PLANE, seeds=3), known)
    assert len(study.records) == 12
    assert study.status()["planned"] == 12


def test_distributions_are_those_of_the_runs_that_the_file_asks_for(tmp_path: Path) -> None:
    def values(run: PlannedRun) -> dict[str, Any]:
        counts = np.array([run.task.seed, 7])
        return known(run) | {"distributions": {"lipschitz": Histogram(0.0, 4.0, counts, 0, 0)}}

    write_study(tmp_path, values, search_space=PLANE, seeds=3)
    study = write_study(tmp_path, values, search_space=PLANE, seeds=[2])
    table = study.distributions
    assert set(table["run"]) == set(study.records["run"])
    assert table[["low", "high"]].drop_duplicates().values.tolist() == [[0, 2], [2, 4]]
    assert table["count"].tolist() == [2, 7] * 4
    results = reporting.gather(study)
    assert results.distributions.keys() == set(study.records["run"])


def test_a_factor_is_a_column_of_the_records_before_it_varies(tmp_path: Path) -> None:
    factors = {"train.batch_size": [16]}
    train = {"optimizer": {"kind": "adam"}, "epochs": 2}
    study = write_study(tmp_path, known, search_space=PLANE, factors=factors, train=train)
    assert set(study.records["train.batch_size"]) == {16}


@pytest.mark.parametrize("curves", [False, True])
def test_exports_read_back_alike(tmp_path: Path, curves: bool) -> None:
    study = write_study(tmp_path, known, search_space=PLANE)
    table = study.curves if curves else study.records
    for form, read in {
        "csv": pd.read_csv,
        "json": pd.read_json,
        "parquet": pd.read_parquet,
    }.items():
        file = tmp_path / f"records.{form}"
        assert study.export(form, curves=curves, output=str(file)) is None
        found = read(file, **({} if form == "parquet" else {"dtype": {"run": "str"}}))
        assert list(found["run"]) == list(table["run"])
        name = "test_accuracy"
        np.testing.assert_allclose(found[name], table[name], rtol=1e-6)
        assert list(found.columns) == list(table.columns)


def test_no_reason_is_a_formula_to_a_spreadsheet(tmp_path: Path) -> None:
    failure = {"status": Status.FAILED, "reason": "=HYPERLINK(1)", "metrics": {}, "curves": {}}
    study = write_study(tmp_path, lambda run: failure, search_space=PLANE)
    assert ",'=HYPERLINK(1)," in (study.export("csv") or "")


def test_binary_tables_need_a_file(tmp_path: Path) -> None:
    study = write_study(tmp_path, known, search_space=PLANE)
    with pytest.raises(RegsearchError, match="--output FILE"):
        study.export("parquet")
