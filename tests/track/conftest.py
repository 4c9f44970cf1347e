from __future__ import annotations

import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from regsearch.records import Record, Status
from regsearch.track.address import Address
from regsearch.track.environment import DEFAULTS

os.environ.update(DEFAULTS)
with warnings.catch_warnings():  # of MLflow about its own libraries, at its first import
    warnings.simplefilter("ignore")
    import regsearch.track.delivery  # noqa: F401

STUDY = "noise"


@pytest.fixture(autouse=True)
def no_settings_of_the_tester(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store without runs; making one takes seconds, copying it does not."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def address(empty_mlflow: Path, tmp_path: Path) -> Address:
    file = tmp_path / "mlflow" / "mlflow.db"
    file.parent.mkdir()
    shutil.copy(empty_mlflow, file)
    return Address(f"sqlite:///{file}", "volumization")


def make_record(number: int = 1, **changes: Any) -> Record:
    """A run of 3 epochs; ``number`` is its seed and makes its hash."""
    curve = np.linspace(0.1, 0.3, 3, dtype=np.float32) + np.float32(number / 100)
    record = Record(
        run=f"{number:016x}",
        cell=f"{number // 3:016x}",
        status=Status.COMPLETED,
        reason=None,
        task={
            "dataset": {"kind": "digits", "label_noise": 0.4, "fingerprint": "d1g1t5"},
            "model": {"kind": "mlp", "widths": [128, 64]},
            "train": {"optimizer": {"kind": "adam", "lr": 1e-4}, "epochs": 3, "drop_last": True},
            "regularizers": [{"kind": "volumization", "v": 0.5, "alpha": 0.99, "scope": "all"}],
            "seed": number,
        },
        epochs=3,
        seconds=1.5,
        started="2026-03-01T12:00:00.000+00:00",
        finished="2026-03-01T12:00:03.000+00:00",
        metrics={
            "train_loss": float(curve[-1]),
            "test_accuracy": float(curve[-1]),
            "test_accuracy_best": 0.75,
            "test_accuracy_gap": None,
        },
        curves={"train_loss": curve, "test_accuracy": curve},
        provenance={"versions": {"torch": "2.15.0"}, "git_commit": "abc123", "engine": "eager"},
    )
    return replace(record, **changes)


def make_diverged(number: int = 2) -> Record:
    curve = np.array([0.5, math.inf, math.nan], dtype=np.float32)
    return make_record(
        number,
        status=Status.DIVERGED,
        reason="train_loss is not finite",
        curves={"train_loss": curve},
        metrics={"train_loss": None, "weight_norm": -math.inf},
    )


def make_failed(number: int = 3) -> Record:
    failure = {"status": Status.FAILED, "reason": "out of memory", "epochs": 0}
    return make_record(number, **failure, curves={}, metrics={})


def make_mix(count: int) -> list[Record]:
    """Records of every status."""
    kinds: list[Callable[[int], Record]] = [make_record, make_diverged, make_failed]
    return [kinds[number % 3](number) for number in range(1, count + 1)]


def content_of(address: Address) -> list[Any]:
    """All that an MLflow client can read of the study's runs, less what the store itself draws."""
    from mlflow import MlflowClient

    client = MlflowClient(address.uri)
    experiment = client.get_experiment_by_name(address.experiment)
    runs = client.search_runs([experiment.experiment_id], "tags.`regsearch.run` LIKE '%'")
    names = {run.info.run_id: run.data.tags["mlflow.runName"] for run in runs}
    parents = client.search_runs([experiment.experiment_id], "tags.`regsearch.part` = 'study'")
    names |= {run.info.run_id: "the study" for run in parents}
    return sorted((_content(client, run, names) for run in runs), key=repr)


def _content(client: Any, run: Any, names: dict[str, str]) -> dict[str, Any]:
    info, data = run.info, run.data
    histories = {key: client.get_metric_history(info.run_id, key) for key in data.metrics}
    return {
        "times": (info.start_time, info.end_time),
        "state": (info.status, info.lifecycle_stage, info.run_name, info.user_id),
        "artifacts": info.artifact_uri.replace(info.run_id, "RUN"),
        "params": dict(sorted(data.params.items())),
        "tags": dict(sorted(data.tags.items()))
        | {"mlflow.parentRunId": names[data.tags["mlflow.parentRunId"]]},
        "latest": dict(sorted(data.metrics.items())),
        "histories": {
            key: sorted((p.step, p.timestamp, p.value) for p in points)
            for key, points in sorted(histories.items())
        },
    }


class ListSource:
    """A store's reading half, in memory; it can grow."""

    def __init__(self, records: list[Record]) -> None:
        self.content = records

    def records(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        return ((n, r) for n, r in enumerate(self.content, start=1) if n > after)

    def statuses(self) -> dict[str, Status]:
        return {record.run: record.status for record in self.content}


class Tools(NamedTuple):
    """What the tests of this folder build and read with (they cannot import this file)."""

    record: Callable[..., Record] = make_record
    diverged: Callable[..., Record] = make_diverged
    mix: Callable[[int], list[Record]] = make_mix
    source: Callable[[list[Record]], ListSource] = ListSource
    content: Callable[[Address], list[Any]] = content_of


@pytest.fixture
def tools() -> Tools:
    return Tools()
