"""The store keeps what it was given, refuses what it must, and says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regsearch import disk
from regsearch.errors import ConflictError, ExitCode, StorageError, UnknownName
from regsearch.histogram import Histogram
from regsearch.records import Record, Status, Store, store
from tests.samples import float32, same, sample_record, sample_task

COUNTED = Histogram(-(2.0**-70), 2.0**-70, np.array([2**62, 0, 1]), 7, 0)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def kept(study: Store) -> list[Record]:
    return [record for _, record in study.records()]


def sql(study: Store, query: str) -> list[Any]:
    with closing(sqlite3.connect(study.path)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": Status.FAILED, "reason": "worker lost: \x00 ü 漢\n'\"", "metrics": {}},
        {"status": Status.STOPPED, "epochs": 0, "curves": {}},
        {"epochs": 1, "curves": {"loss": float32([np.nan])}},
        {"curves": {"loss": float32([np.inf, -np.inf, 1e-45])}},
        {"seconds": 0.1 + 0.2, "metrics": {"a": 1e-300, "b": None, "c": 0.1 + 0.2}},
        {"provenance": {"b": [1, None, {"ü": True}], "a": 2.5}},
        {"task": sample_task(seed=2**53 - 1, model={"kind": "none"})},
        {"distributions": {"weights/ü": COUNTED, "b": COUNTED._replace(low=0.0, missing=3)}},
    ],
)
def test_a_record_comes_back_as_it_was(tmp_path: Path, changes: dict[str, Any]) -> None:
    record = sample_record(7, **changes)
    with Store.open(tmp_path) as study:
        study.add([record])
    with Store.open(tmp_path) as study:
        assert [same(record, back) for back in kept(study)] == [True]


def test_what_is_not_finite_becomes_no_metric(study: Store) -> None:
    values = {"a": float("nan"), "b": float("inf"), "c": -float("inf"), "d": np.float32(0.5)}
    study.add([sample_record(metrics=values)])
    assert kept(study)[0].metrics == {"a": None, "b": None, "c": None, "d": 0.5}


def test_a_reason_that_is_no_proper_text_is_kept_readable(study: Store) -> None:
    study.add([sample_record(status=Status.FAILED, reason="no file a\udcff.pt")])
    assert kept(study)[0].reason == "no file a?.pt"


def test_curves_of_different_lengths_are_refused(study: Store) -> None:
    curves = {"a": float32([1, 2]), "b": float32([1])}
    with pytest.raises(ValueError, match="one length"):
        study.add([sample_record(curves=curves)])
    assert not study.statuses()


def test_records_come_in_order_of_arrival_from_any_point(study: Store) -> None:
    arrivals = [5, 3, 9, 1, 4]
    study.add([sample_record(n) for n in arrivals[:2]])
    study.add([sample_record(n) for n in arrivals[2:]])
    numbers = [number for number, _ in study.records()]
    assert numbers == sorted(set(numbers))
    for start, number in enumerate([0, *numbers]):
        seeds = [record.seed for _, record in study.records(after=number)]
        assert seeds == arrivals[start:]
    assert list(study.statuses()) == [f"{n:016x}" for n in arrivals]


def test_records_are_fetched_in_batches_and_may_arrive_meanwhile(
    study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BATCH", 2)
    study.add([sample_record(n) for n in range(5)])
    seeds = []
    for _, record in study.records():
        if record.seed < 5:
            study.add([sample_record(record.seed + 5)])
        seeds.append(record.seed)
    assert seeds == list(range(10))


def test_a_second_record_of_a_run_is_refused_with_its_whole_batch(study: Store) -> None:
    first = sample_record(1)
    study.add([first])
    for batch in ([2, 1, 3], [4, 5, 4]):
        with pytest.raises(ConflictError, match=r"one record.*regsearch retry"):
            study.add([sample_record(n, status=Status.DIVERGED) for n in batch])
        assert study.statuses() == {first.run: Status.COMPLETED}
    assert same(kept(study)[0], first)
    study.add([sample_record(2)])


def test_retry_forgets_failed_runs_only_and_reuses_no_number(study: Store) -> None:
    ends = [Status.COMPLETED, Status.DIVERGED, Status.STOPPED, Status.FAILED, Status.FAILED]
    study.add([sample_record(n, status=status) for n, status in enumerate(ends)])
    last = max(number for number, _ in study.records())
    assert study.remove(Status.FAILED) == 2
    assert list(study.statuses().values()) == ends[:3]
    study.add([sample_record(4)])
    assert [record.seed for _, record in study.records(after=last)] == [4]
    assert study.remove(Status.FAILED) == 0


def test_provenance_that_many_runs_share_is_kept_once(study: Store) -> None:
    study.add([sample_record(n, provenance={"pack": n // 10}) for n in range(30)])
    study.add([sample_record(30, provenance={"pack": 0})])
    assert sql(study, "SELECT count(*) FROM provenance") == [(3,)]
    assert [record.provenance["pack"] for record in kept(study)] == [n // 10 for n in range(30)] + [
        0
    ]


def test_facts_are_json_values_by_name(tmp_path: Path) -> None:
    with Store.open(tmp_path) as study:
        assert study.facts() == {}
        study.set_facts(name="a", planned=3, hours=[0.5, None])
        study.set_facts(name="b")
        with pytest.raises(ValueError, match="JSON"):
            study.set_facts(name="c", hours=float("nan"))
    with Store.open(tmp_path) as study:
        assert study.facts() == {"name": "b", "planned": 3, "hours": [0.5, None]}


def test_reading_creates_nothing_where_there_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no study at .*; `regsearch ls`"):
        Store.open(tmp_path, read_only=True)
    with pytest.raises(UnknownName):
        Store.open(tmp_path / "nowhere", read_only=True)
    assert not list(tmp_path.iterdir())


def test_a_reader_follows_a_writer(study: Store) -> None:
    with Store.open(study.path.parent, read_only=True) as reader:
        seen = 0
        for n in range(20):
            study.add([sample_record(n)])
            [(seen, record)] = reader.records(after=seen)
            assert record.seed == n
        assert reader.statuses() == study.statuses()


def test_a_reader_writes_nothing(study: Store) -> None:
    with (
        Store.open(study.path.parent, read_only=True) as reader,
        pytest.raises(StorageError, match="cannot write to"),
    ):
        reader.add([sample_record()])


def test_a_name_with_signs_of_a_url_is_a_plain_name(tmp_path: Path) -> None:
    folder = tmp_path / "50% ?mode=memory#1 ü"
    with Store.open(folder) as study:
        study.add([sample_record()])
    with Store.open(folder, read_only=True) as study:
        assert len(study.statuses()) == 1


def test_two_writers_do_not_mix(study: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PATIENCE_S", 0.05)
    with Store.open(study.path.parent) as second, closing(sqlite3.connect(study.path)) as third:
        third.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConflictError, match="another process"):
            second.add([sample_record()])
        third.rollback()
        second.add([sample_record()])
    assert len(study.statuses()) == 1


def test_a_commit_is_synced_before_it_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    connect = sqlite3.connect

    def listening(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", listening)
    with Store.open(tmp_path) as study:
        study.add([sample_record()])
    begin = said.index("BEGIN IMMEDIATE")
    assert {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"} <= set(said[:begin])
    assert said[-1] == "COMMIT"


def test_on_a_network_disk_there_is_no_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path) as study:
        study.add([sample_record(0)])
    monkeypatch.setattr(disk, "on_network", lambda path: True)
    with Store.open(tmp_path) as study, Store.open(tmp_path, read_only=True) as reader:
        study.add([sample_record(1)])
        assert len(reader.statuses()) == 2
        assert [path.name for path in tmp_path.iterdir()] == ["study.db"]


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    study = Store.open(tmp_path)
    study.close()
    study.close()
    assert [path.name for path in tmp_path.iterdir()] == ["study.db"]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("content", "finding"),
    [(b"", "not a regsearch store"), (b"name: digits\n" * 50, "file is not a database")],
)
def test_a_file_that_is_no_store_is_left_alone(
    tmp_path: Path, read_only: bool, content: bytes, finding: str
) -> None:
    (tmp_path / "study.db").write_bytes(content)
    with pytest.raises(StorageError, match=finding) as refused:
        Store.open(tmp_path, read_only=read_only)
    assert refused.value.exit_code is ExitCode.STORAGE
    assert str(tmp_path / "study.db") in str(refused.value)
    assert (tmp_path / "study.db").read_bytes() == content


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "study.db")) as other:
        other.executescript("CREATE TABLE record (a); INSERT INTO record VALUES (1)")
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(StorageError, match="not a regsearch store"):
        Store.open(tmp_path)
    assert (tmp_path / "study.db").read_bytes() == before
