"""What the doctor says of machines that lack something."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from regsearch.api import doctor, examine
from regsearch.api.doctor import Finding
from regsearch.cli import main
from regsearch.datasets import DATASETS
from regsearch.errors import DataError


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("REGSEARCH_DATA", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def found(what: str) -> Finding:
    return {finding.what: finding for finding in examine()}[what]


def test_a_bare_machine_has_all_that_a_study_needs() -> None:
    ended = CliRunner().invoke(main, ["doctor"])
    assert ended.exit_code == 0, ended.output
    assert all(line.startswith("ok   ") for line in ended.output.splitlines())


def test_the_folder_of_data_is_the_one_that_is_read(tmp_path: Path) -> None:
    root = tmp_path / "cache" / "regsearch"
    assert f"no {root} yet" in found("data").told
    mnist = DATASETS["mnist"]
    with pytest.raises(DataError, match=str(root)):
        mnist.load(mnist.config(kind="mnist"))
    (root / "MNIST").mkdir(parents=True)
    assert found("data") == Finding("data", True, f"{root}: MNIST")


def test_a_setting_that_is_wrong_is_missed_and_is_exit_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGSEARCH_DATA", "nowhere")
    ended = CliRunner().invoke(main, ["doctor"])
    assert ended.exit_code == 2
    assert "MISS data         REGSEARCH_DATA=nowhere is no folder" in ended.output


def test_an_mlflow_that_does_not_answer_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert not found("mlflow").ok
    assert "127.0.0.1:9" in found("mlflow").told


def test_packages_that_are_not_there_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "versions", lambda: {"torch": "2", "torchvision": "1"})
    assert found("packages") == Finding(
        "packages", False, "missing ray, mlflow: pip install regsearch"
    )


def test_without_a_compiler_studies_are_slower_but_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert found("compiler").ok
    assert "uncompiled" in found("compiler").told
