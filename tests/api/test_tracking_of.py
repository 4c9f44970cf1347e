"""Where a pipeline's runs go: the file first, then the environment, then the study's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from regsearch.api import mlflow_ui, serve_mlflow
from regsearch.api.tracking import tracking_of
from regsearch.errors import ServiceError
from regsearch.track.address import resolve
from tests.recorded import accuracy, write_study
from tests.tiny import load_tiny


@pytest.mark.parametrize(
    ("written", "in_environment", "expected"),
    [("mine", "theirs", "mine"), (None, "theirs", "theirs"), (None, "", "tiny")],
)
def test_the_experiment(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    written: str | None,
    in_environment: str,
    expected: str,
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", in_environment)
    pipeline = load_tiny(tmp_path, tracking={"mlflow": {"experiment": written}})
    tracking = tracking_of(pipeline)
    assert tracking is not None
    assert resolve(tracking, pipeline.spec.name).experiment == expected


@pytest.mark.parametrize("tracking", [None, {"mlflow": None}])
def test_a_file_may_want_no_mlflow(tmp_path: Path, tracking: Any) -> None:
    assert tracking_of(load_tiny(tmp_path, tracking=tracking)) is None


def test_the_store_of_a_study_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended:
        returncode = 1

    served = []

    def run(command: list[str], env: dict[str, str], check: bool) -> Ended:
        served.append((command, env["MLFLOW_BACKEND_STORE_URI"]))
        return Ended()

    monkeypatch.setattr(mlflow_ui.subprocess, "run", run)
    uri = f"sqlite:///{tmp_path}/runs.db"
    tracking = {"mlflow": {"tracking_uri": uri}}
    study = write_study(tmp_path, lambda run: accuracy(0.5), tracking=tracking)
    with pytest.raises(ServiceError, match="is port 5001 free"):
        serve_mlflow(str(study.folder), 5001)
    [(command, store)] = served
    assert store == uri
    assert "5001" in command
