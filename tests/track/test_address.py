from __future__ import annotations

from pathlib import Path

import pytest

from regsearch.track.address import (
    Address,
    Tracking,
    artifact_location,
    resolve,
    without_credentials,
)


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_default_is_mlflows_own(tmp_path: Path) -> None:
    assert resolve(Tracking(), "noise") == Address(f"sqlite:///{tmp_path}/mlflow.db", "noise")


def test_the_environment_comes_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "planes")
    assert resolve(Tracking(), "noise") == Address("http://host:5000", "planes")


def test_the_file_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    tracking = Tracking("https://other", "mine")
    assert resolve(tracking, "noise") == Address("https://other", "mine")


def test_a_relative_path_is_made_absolute(tmp_path: Path) -> None:
    address = resolve(Tracking("sqlite:///runs/my 50%.db?timeout=5"), "noise")
    assert address.sqlite_file == tmp_path / "runs" / "my 50%.db"
    assert address.uri.endswith("?timeout=5")
    assert resolve(Tracking(address.uri), "noise").sqlite_file == address.sqlite_file


@pytest.mark.parametrize("uri", ["http://host", "postgresql://host/db", "sqlite:///:memory:"])
def test_other_stores_are_no_file(uri: str) -> None:
    address = resolve(Tracking(uri), "noise")
    assert address.uri == uri
    assert address.sqlite_file is None
    assert artifact_location(address) is None


def test_artifacts_lie_beside_the_file(tmp_path: Path) -> None:
    location = artifact_location(Address(f"sqlite:///{tmp_path}/mlflow.db", "a/b c"))
    assert location == f"{tmp_path}/mlruns/a%2Fb c"


def test_no_password_leaves_the_address() -> None:
    uri = "postgresql+psycopg2://ann:s3cret@host:1/db?password=s3cret"
    address = Address(uri, "noise")
    assert address.key == "postgresql+psycopg2://host:1/db noise"
    assert without_credentials("sqlite:////a b/mlflow.db") == "sqlite:////a b/mlflow.db"
    for message in (f"cannot reach {uri}", "no user ann with s3cret"):
        assert "s3cret" not in address.hide_credentials(message)
