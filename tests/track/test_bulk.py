from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.dbmodels.models import SqlParam

from regsearch.track import bulk
from regsearch.track.address import Address
from regsearch.track.bulk import Bulk
from regsearch.track.view import Point, view_run


@pytest.fixture
def experiment(address: Address) -> Any:
    client = MlflowClient(address.uri)
    return client.get_experiment(client.create_experiment("planes"))


def test_only_known_tables_are_written(
    address: Address, experiment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Bulk.open(address.uri, experiment) is not None
    known = {**bulk.COLUMNS, SqlParam: ("run_uuid", "key")}
    monkeypatch.setattr(bulk, "COLUMNS", known)
    assert Bulk.open(address.uri, experiment) is None


@pytest.mark.parametrize("uri", ["http://host:5000", "file:///runs", "databricks"])
def test_other_stores_go_through_the_client(uri: str, experiment: Any) -> None:
    assert Bulk.open(uri, experiment) is None


def test_workspaces_go_through_the_client(
    address: Address, experiment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    assert Bulk.open(address.uri, experiment) is None


def test_all_runs_are_written_or_none(address: Address, experiment: Any, tools: Any) -> None:
    good, bad = (view_run(record, "noise") for record in tools.mix(2))
    twice = Point("loss", 1.0, 1, 1)
    store = Bulk.open(address.uri, experiment)
    assert store is not None
    with pytest.raises(MlflowException, match="UNIQUE"):
        store.insert([good, bad._replace(metrics=[twice, twice])], {"mlflow.parentRunId": "0" * 32})
    assert MlflowClient(address.uri).search_runs([experiment.experiment_id]) == []


def test_the_latest_of_a_metric_is_decided_as_mlflow_decides(
    address: Address, experiment: Any, tools: Any
) -> None:
    points = [Point("loss", 3.0, 9, 1), Point("loss", 1.0, 5, 2), Point("loss", 2.0, 5, 2),
              Point("loss", 9.0, 4, 2)]  # fmt: skip
    view = view_run(tools.record(1), "noise")._replace(metrics=points)
    store, client = Bulk.open(address.uri, experiment), MlflowClient(address.uri)
    assert store is not None
    (mlflow_run,) = store.insert([view], {"mlflow.parentRunId": "0" * 32})
    by_client = client.create_run(experiment.experiment_id).info.run_id
    for point in points:
        client.log_metric(by_client, *point)
    found = [client.get_run(run).data.metrics["loss"] for run in (mlflow_run, by_client)]
    assert found == [2.0, 2.0]
