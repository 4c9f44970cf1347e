"""What a report is given of a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from regsearch.api import reporting
from regsearch.records import Store
from regsearch.report import Metric
from tests.recorded import PLANE, accuracy, write_study


def test_a_report_sees_what_was_asked_and_what_came_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = {
        "search_space": PLANE,
        "factors": {"dataset.label_noise": [0.0, 0.4]},
        "metric": {"name": "test_accuracy", "at": "last10"},
    }
    study = write_study(tmp_path, lambda run: accuracy(0.5), **changes)
    with Store.open(study.folder) as store:
        store.set_facts(git_commit="abc1", versions={"torch": "2.15.0"})
    results = reporting.gather(study)
    assert results.name == "tiny"
    assert results.factors == ["dataset.label_noise"]
    assert results.metric == Metric("test_accuracy", "maximize", "last10")
    assert results.spec == (tmp_path / "tiny.yaml").read_text()
    assert results.facts == {
        "commit": "abc1",
        "data": "d1",
        "device": "cpu",
        "versions": "torch 2.15.0",
        "command": "regsearch run study/resolved.yaml",
    }
    asked = list(results.planned.columns)
    assert list(results.records.columns)[: len(asked)] == asked
    assert sorted(results.planned["run"]) == sorted(results.records["run"])


def test_runs_without_a_record_are_planned(tmp_path: Path) -> None:
    study = write_study(tmp_path, lambda run: accuracy(0.5), search_space=PLANE, seeds=1)
    resolved = study.folder / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("seeds:\n- 0\n", "seeds:\n- 0\n- 1\n"))
    results = reporting.gather(study)
    assert (len(results.planned), len(results.records)) == (8, 4)
    assert set(results.records["run"]) < set(results.planned["run"])
