"""One driver per study, whatever becomes of the others."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from regsearch.errors import ConflictError, ExitCode, StorageError
from regsearch.study import lock
from regsearch.study.lock import hold, holder
from tests.faults import run_child, start_child


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE_S", 0.1)


@contextmanager
def driver_elsewhere(folder: Path) -> Iterator[int]:
    """A process that holds the lock; its id."""
    reading, writing = os.pipe()

    def drive() -> None:
        with hold(folder):
            os.write(writing, b"!")
            signal.pause()

    child = start_child(drive)
    os.read(reading, 1)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def test_a_second_driver_is_told_who_holds_the_study(tmp_path: Path) -> None:
    with driver_elsewhere(tmp_path) as pid, pytest.raises(ConflictError) as refused, hold(tmp_path):
        pass
    assert f"process {pid} on {socket.gethostname()} since 20" in str(refused.value)
    assert str(tmp_path) in str(refused.value)
    assert refused.value.exit_code is ExitCode.CONFLICT


def test_one_process_holds_a_study_once(tmp_path: Path) -> None:
    with hold(tmp_path) as ours:
        assert ours.pid == os.getpid()
        with pytest.raises(ConflictError, match=f"process {os.getpid()} "), hold(tmp_path):
            pass
        assert holder(tmp_path) == ours  # the refused one took nothing away


def test_a_killed_driver_s_study_is_free_at_once(tmp_path: Path) -> None:
    with driver_elsewhere(tmp_path) as pid:
        now = holder(tmp_path)
        assert now is not None
        assert now.pid == pid
    assert (tmp_path / lock.NAME).exists()  # left behind, and harmless
    assert holder(tmp_path) is None
    with hold(tmp_path) as ours:
        assert holder(tmp_path) == ours


def test_the_lock_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        raise ZeroDivisionError
    assert holder(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', "\x00\x01", "x" * 10_000])
def test_what_the_file_says_matters_only_while_it_is_locked(tmp_path: Path, content: str) -> None:
    path = tmp_path / lock.NAME
    path.write_text(content)
    assert holder(tmp_path) is None
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="another process"), hold(tmp_path):
            pass
    with hold(tmp_path) as ours:
        assert holder(tmp_path) == ours


def test_asking_creates_nothing(tmp_path: Path) -> None:
    assert holder(tmp_path / "nowhere") is None
    assert holder(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_asking_who_holds_a_study_keeps_no_driver_out(tmp_path: Path) -> None:
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            holder(tmp_path)

    asking = threading.Thread(target=ask)
    with hold(tmp_path):
        pass
    asking.start()
    try:
        for _ in range(300):
            with hold(tmp_path):
                pass
    finally:
        done.set()
        asking.join()


def test_of_drivers_that_start_together_one_at_a_time_is_in(tmp_path: Path) -> None:
    inside = tmp_path / "inside"

    def drive() -> None:
        for _ in range(20):
            try:
                with hold(tmp_path):
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails if another is in
                    inside.unlink()
            except ConflictError:
                continue

    children = [start_child(drive) for _ in range(8)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8


def test_a_child_program_does_not_inherit_the_lock(tmp_path: Path) -> None:
    """Ray's daemons outlive a killed driver; the lock must not live on in them."""
    reading, writing = os.pipe()

    def drive() -> None:
        hold(tmp_path).__enter__()
        os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "2")
        os.write(writing, b"!")
        os.kill(os.getpid(), signal.SIGKILL)

    assert run_child(drive) == -signal.SIGKILL
    assert os.read(reading, 1) == b"!"
    os.close(reading)
    os.close(writing)
    assert holder(tmp_path) is None
    with hold(tmp_path):
        pass


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StorageError, match=r"cannot lock files.*--output"), hold(tmp_path):
        pass
