"""Each record arrives exactly once, whatever happens in between."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from regsearch.records import Status
from regsearch.track import delivery
from regsearch.track.address import Address
from regsearch.track.delivery import deliver
from regsearch.track.identity import Identity
from regsearch.track.log import DeliveryLog
from regsearch.track.target import Target
from regsearch.track.view import RunView, view_run

WAYS = ("client", "bulk")
NOISE = Identity("0f1e", "noise")


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def log(tmp_path: Path, address: Address) -> Iterator[DeliveryLog]:
    with DeliveryLog.open(tmp_path / "delivery.db", address.key) as log:
        yield log


@pytest.fixture
def connect(address: Address) -> Callable[[str], Target]:
    def connect(way: str) -> Target:
        target = Target.connect(address, NOISE, 1)
        assert target.bulk is not None
        if way == "client":
            target.bulk = None
        return target

    return connect


def crash_after(call: Callable[..., Any]) -> Callable[..., Any]:
    def crashing(*args: Any) -> Any:
        call(*args)
        raise Crash

    return crashing


def delete_all_runs(address: Address) -> None:
    client = MlflowClient(address.uri)
    for run in client.search_runs(["1"]):
        client.delete_run(run.info.run_id)


def test_both_ways_read_back_alike(
    address: Address, tmp_path: Path, tools: Any, connect: Callable[[str], Target]
) -> None:
    contents = []
    for way in WAYS:
        with DeliveryLog.open(tmp_path / f"{way}.db", address.key) as log:
            assert deliver(tools.mix(9), connect(way), log, "noise") == {}
        contents.append(tools.content(address))
        delete_all_runs(address)
    assert len(contents[0]) == 9
    assert contents[0] == contents[1]


@pytest.mark.parametrize("way", WAYS)
def test_metrics_and_params_can_be_searched(
    way: str, address: Address, log: DeliveryLog, tools: Any, connect: Callable[[str], Target]
) -> None:
    records = [tools.record(n) for n in range(1, 6)]
    deliver(records, connect(way), log, "noise")
    query = "params.`volumization.v` = '0.5' and metrics.test_accuracy > 0.325"
    found = MlflowClient(address.uri).search_runs(["1"], query, order_by=["metrics.test_accuracy"])
    assert [run.data.params["seed"] for run in found] == ["3", "4", "5"]


@pytest.mark.parametrize("way", WAYS)
def test_three_shuffled_replays_change_nothing(
    way: str, address: Address, tmp_path: Path, tools: Any, connect: Callable[[str], Target]
) -> None:
    records = tools.mix(12)
    with DeliveryLog.open(tmp_path / "first.db", address.key) as log:
        deliver(records, connect(way), log, "noise")
    before = tools.content(address)
    for replay in range(3):  # each with a log that knows nothing
        with DeliveryLog.open(tmp_path / f"replay{replay}.db", address.key) as log:
            target = connect(way)
            for record in random.sample(records, len(records)):
                deliver([record], target, log, "noise")
            assert all(log.has(record.run, record.finished) for record in records)
    assert tools.content(address) == before


@pytest.mark.parametrize("moment", ["create", "complete", "insert"])
def test_a_crash_between_creating_and_noting_it_makes_no_second_run(
    moment: str,
    address: Address,
    log: DeliveryLog,
    tools: Any,
    connect: Callable[[str], Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records, way = tools.mix(3), "bulk" if moment == "insert" else "client"
    target = connect(way)
    monkeypatch.setattr(target, moment, crash_after(getattr(target, moment)))
    with pytest.raises(Crash):
        deliver(records, target, log, "noise")
    assert not any(entry.done for entry in log.entries.values())
    assert deliver(records, connect(way), log, "noise") == {}
    assert [run["tags"]["regsearch.seed"] for run in tools.content(address)].count("1") == 1
    assert len(tools.content(address)) == 3
    assert all(log.has(record.run, record.finished) for record in records)


def test_a_half_sent_run_is_completed(
    address: Address,
    tmp_path: Path,
    tools: Any,
    connect: Callable[[str], Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = tools.mix(3)
    with DeliveryLog.open(tmp_path / "whole.db", address.key) as log:
        deliver(records, connect("client"), log, "noise")
    whole = tools.content(address)
    delete_all_runs(address)
    with DeliveryLog.open(tmp_path / "half.db", address.key) as log:
        target = connect("client")
        monkeypatch.setattr(target._client, "set_terminated", crash_after(lambda *_: None))
        with pytest.raises(Crash):
            deliver(records, target, log, "noise")
        monkeypatch.undo()
        deliver(records, connect("bulk"), log, "noise")
    assert tools.content(address) == whole


def test_a_half_sent_run_that_was_deleted_is_sent_anew(
    address: Address,
    log: DeliveryLog,
    tools: Any,
    connect: Callable[[str], Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record, target = tools.record(1), connect("client")
    monkeypatch.setattr(target, "create", crash_after(target.create))
    with pytest.raises(Crash):
        deliver([record], target, log, "noise")
    client = MlflowClient(address.uri)
    (half,) = client.search_runs(["1"], f"tags.`regsearch.run` = '{record.run}'")
    client.delete_run(half.info.run_id)
    deliver([record], connect("client"), log, "noise")
    (run,) = tools.content(address)
    assert run["state"][0] == "FINISHED"


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_was_trained_again_replaces_its_failure(
    way: str, address: Address, log: DeliveryLog, tools: Any, connect: Callable[[str], Target]
) -> None:
    failed = tools.record(1, status=Status.FAILED, curves={}, metrics={}, epochs=0)
    retried = tools.record(1, finished="2026-03-02T00:00:00+00:00")
    deliver([failed], connect(way), log, "noise")
    deliver([retried], connect(way), log, "noise")
    (run,) = tools.content(address)
    assert run["tags"]["regsearch.status"] == "completed"
    assert run["tags"]["regsearch.finished"] == retried.finished


def test_a_failure_of_which_only_the_creation_is_known_is_replaced_too(
    address: Address,
    log: DeliveryLog,
    tools: Any,
    connect: Callable[[str], Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = connect("client")
    monkeypatch.setattr(target, "create", crash_after(target.create))
    with pytest.raises(Crash):
        deliver([tools.record(1, status=Status.FAILED)], target, log, "noise")
    retried = tools.record(1, finished="2026-03-02T00:00:00+00:00")
    deliver([retried], connect("bulk"), log, "noise")
    (run,) = tools.content(address)
    assert run["tags"]["regsearch.status"] == "completed"


def test_runs_whose_parent_was_deleted_get_the_new_one(
    address: Address, log: DeliveryLog, tools: Any, connect: Callable[[str], Target]
) -> None:
    records = tools.mix(3)
    deliver(records[:2], connect("bulk"), log, "noise")
    client = MlflowClient(address.uri)
    (parent,) = client.search_runs(["1"], "tags.`regsearch.part` = 'study'")
    client.delete_run(parent.info.run_id)
    for _ in range(2):
        deliver(records, connect("bulk"), log, "noise")
    parents = [run["tags"]["mlflow.parentRunId"] for run in tools.content(address)]
    assert parents == ["the study"] * 3


def test_an_emptied_store_is_filled_again(
    address: Address, empty_mlflow: Path, log: DeliveryLog, tools: Any, tmp_path: Path
) -> None:
    records = tools.mix(4)
    deliver(records[:3], Target.connect(address, NOISE, 1), log, "noise")
    fresh = tmp_path / "fresh.db"
    fresh.write_bytes(empty_mlflow.read_bytes())
    target = Target.connect(Address(f"sqlite:///{fresh}", address.experiment), NOISE, 1)
    for _ in range(2):
        deliver(records, target, log, "noise")
    found = tools.content(Address(f"sqlite:///{fresh}", address.experiment))
    assert len(found) == 4


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["noise", "noise's twin"])
def test_studies_in_one_experiment_do_not_mix(
    way: str, name: str, address: Address, tmp_path: Path, tools: Any
) -> None:
    studies = [NOISE, Identity("1f2e", name)]
    for _ in range(2):  # again with a log that knows nothing
        for study in studies:
            with DeliveryLog.open(tmp_path / "delivery.db", address.key) as log:
                target = Target.connect(address, study, 1)
                target.bulk = target.bulk if way == "bulk" else None
                deliver(tools.mix(2), target, log, study.name)
            (tmp_path / "delivery.db").unlink()
    client = MlflowClient(address.uri)
    parents = client.search_runs(["1"], "tags.`regsearch.part` = 'study'")
    assert sorted(run.info.run_name for run in parents) == ["noise", name]
    for parent in parents:
        children = client.search_runs(["1"], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
        told = [(run.data.tags["regsearch.study"], run.data.tags["regsearch.study_id"])
                for run in children]  # fmt: skip
        assert told == [(parent.info.run_name, parent.data.tags["regsearch.study_id"])] * 2
    assert {run.data.tags["regsearch.study_id"] for run in parents} == {"0f1e", "1f2e"}


def test_one_refused_run_does_not_hold_up_the_others(
    address: Address,
    log: DeliveryLog,
    tools: Any,
    connect: Callable[[str], Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records, target = [tools.record(n) for n in (1, 2, 3)], connect("client")
    client = MlflowClient(address.uri)
    create = target.create

    def create_then_somebody_meddles(view: Any) -> str:
        id_ = create(view)
        if view.run == records[1].run:
            client.log_param(id_, "seed", "99")  # a param cannot be changed
        return id_

    monkeypatch.setattr(target, "create", create_then_somebody_meddles)
    refused = deliver(records, target, log, "noise")
    assert list(refused) == [records[1].run]
    assert "seed" in refused[records[1].run]
    assert [log.has(r.run, r.finished) for r in records] == [True, False, True]


def test_a_deleted_experiment_is_restored(address: Address, tools: Any, log: DeliveryLog) -> None:
    client = MlflowClient(address.uri)
    client.delete_experiment(client.create_experiment(address.experiment))
    deliver(tools.mix(2), Target.connect(address, NOISE, 1), log, "noise")
    assert len(tools.content(address)) == 2


def test_a_run_that_a_transaction_refuses_is_found_out(
    address: Address,
    log: DeliveryLog,
    tools: Any,
    connect: Callable[[str], Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records, target = [tools.record(n) for n in (1, 2, 3)], connect("bulk")
    monkeypatch.setattr(delivery, "view_run", with_twin_points(records[1].run))
    deliver(records, target, log, "noise")
    assert len(tools.content(address)) == 3
    assert all(log.has(record.run, record.finished) for record in records)


def with_twin_points(run: str) -> Callable[..., RunView]:
    """View runs as ever, but one with a point sent twice, which MLflow's tables refuse."""

    def view(record: Any, study: str) -> RunView:
        seen = view_run(record, study)
        return seen._replace(metrics=seen.metrics * 2) if record.run == run else seen

    return view
