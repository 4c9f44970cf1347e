"""The store under kills and full disks: nothing acknowledged is ever lost."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from select import PIPE_BUF
from typing import Any

import pytest

from regsearch import disk
from regsearch.errors import StorageError
from regsearch.records import Store
from tests.faults import file_size_limit, run_child, small_disk, start_child
from tests.invariants import check_invariants
from tests.samples import sample_record

KILLS = 110
PLANNED = frozenset(f"{n:016x}" for n in range(2000))


def add_and_acknowledge(folder: Path, first: int, pipe: int) -> None:
    """Add batches of 1 to 5 records for ever; name each run in ``pipe`` once it is recorded."""
    draw = random.Random(first)
    with Store.open(folder) as study:
        while True:
            batch = [sample_record(first + n) for n in range(draw.randint(1, 5))]
            study.add(batch)
            os.write(pipe, "".join(f"{record.run}\n" for record in batch).encode())
            first += len(batch)


def kill_while_adding(folder: Path, first: int, batches: int, then_s: float) -> list[str]:
    """Runs that a writer acknowledged; killed ``then_s`` after it did so for ``batches``."""
    reading, writing = os.pipe()
    child = start_child(lambda: add_and_acknowledge(folder, first, writing))
    os.close(writing)
    heard = b"".join(os.read(reading, PIPE_BUF) for _ in range(batches))
    time.sleep(then_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as rest:
        return (heard + rest.read()).decode().split()


def test_no_kill_loses_an_acknowledged_record(tmp_path: Path) -> None:
    draw = random.Random(0)
    for study in range(KILLS // 10):
        folder = tmp_path / str(study)
        acknowledged: list[str] = []
        first = 0
        for _ in range(10):
            when = draw.randint(0, 4), draw.uniform(0, 0.02)
            acknowledged += kill_while_adding(folder, first, *when)
            first = len(check_invariants(folder, PLANNED, acknowledged=acknowledged))


def test_a_kill_at_any_point_of_sqlite_s_work_leaves_all_or_none(tmp_path: Path) -> None:
    """The child dies at the k-th 40 instructions of SQLite's machine, for every k."""
    before, batch = sample_record(0), [sample_record(n) for n in range(1, 9)]
    with Store.open(tmp_path) as study:
        study.add([before])

    def add_until(k: int) -> None:
        left = iter(range(k))

        def tick() -> int:
            return 0 if next(left, None) is not None else os._exit(9)

        connect = sqlite3.connect

        def counting(*arguments: object, **options: object) -> sqlite3.Connection:
            connection = connect(*arguments, **options)  # type: ignore[call-overload]
            connection.set_progress_handler(tick, 40)
            return connection

        sqlite3.connect = counting  # type: ignore[assignment]
        with Store.open(tmp_path) as study:
            study.add(batch)

    for k in count():
        if run_child(partial(add_until, k)) == 0:
            break
        assert list(check_invariants(tmp_path, PLANNED, acknowledged=[before.run])) == [before.run]
    assert k > 10
    assert len(check_invariants(tmp_path, PLANNED, acknowledged=[before.run])) == 9


def test_a_kill_at_any_step_of_making_a_store_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    def make_until(k: int, folder: Path) -> None:
        steps = count(1)

        def step(operation: Callable[..., Any], *arguments: Any) -> Any:
            return os._exit(9) if next(steps) == k else operation(*arguments)

        disk.operations = disk.Operations(*(partial(step, each) for each in disk.Operations()))
        Store.open(folder).close()

    for k in count(1):
        folder = tmp_path / str(k)
        done = run_child(partial(make_until, k, folder)) == 0
        disk.sweep_temporary(folder)
        assert [path.name for path in folder.iterdir()] in ([], ["study.db"])
        assert check_invariants(folder, set()) == {}
        if done:
            break
    assert k > 6


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "1m") as folder:
        yield folder


def fill(study: Store, first: int) -> tuple[list[str], str]:
    """Add records until the disk refuses: runs acknowledged, and the message."""
    acknowledged: list[str] = []
    for n in count(first):
        record = sample_record(n, epochs=300)
        try:
            study.add([record])
        except StorageError as refusal:
            return acknowledged, str(refusal)
        acknowledged.append(record.run)
    raise AssertionError("unreachable")


def test_a_full_disk_is_said_and_freed_space_is_used_by_the_same_store(full: Path) -> None:
    ballast = full / "ballast"
    ballast.write_bytes(bytes(400_000))
    with Store.open(full) as study:
        acknowledged, message = fill(study, 0)
        assert acknowledged
        assert f"cannot write to {study.path}: the disk is full (" in message
        assert list(study.statuses()) == acknowledged
        ballast.unlink()
        more, _ = fill(study, len(acknowledged))
        assert more
        assert list(study.statuses()) == acknowledged + more
    check_invariants(full, PLANNED, acknowledged=acknowledged + more)


def test_no_study_is_begun_on_a_full_disk(full: Path) -> None:
    (full / "ballast").write_bytes(bytes(1_040_000))
    with pytest.raises(StorageError, match="the disk is full"):
        Store.open(full)
    assert [path.name for path in full.iterdir()] == ["ballast"]


def test_a_size_limit_at_any_page_loses_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as study:
        acknowledged: list[str] = []
        for pages in range(1, 80):
            with file_size_limit(pages * 4096):
                more, message = fill(study, len(acknowledged))
            assert f"cannot write to {study.path}: " in message
            acknowledged += more
            assert list(study.statuses()) == acknowledged
        assert acknowledged
        study.add([sample_record(len(acknowledged))])
    assert len(check_invariants(tmp_path, PLANNED, acknowledged=acknowledged)) == (
        len(acknowledged) + 1
    )
