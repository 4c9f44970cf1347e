"""One driver per study: a lock that the kernel lets go when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from regsearch.disk import require_writable, storage_faults
from regsearch.errors import ConflictError

NAME = "study.lock"
PATIENCE_S = 0.5  # outlasts the instant for which ``holder`` tries the lock


@dataclass(frozen=True)
class Holder:
    """Who runs a study."""

    pid: int
    host: str
    started: str  # ISO 8601, UTC

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.started}"


@contextmanager
def hold(folder: Path) -> Iterator[Holder]:
    """Be the only driver of the study in ``folder``; gives what others read about us.

    The file stays when the lock is let go, and means nothing then.

    Raises:
        ConflictError: another driver holds it; the message says which.
        StorageError: the lock file cannot be written, or the file system has no locks.
    """
    require_writable(folder)
    path = folder / NAME
    with storage_faults(path, "lock"):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _acquire(handle, path):
            raise ConflictError(
                f"{folder} is being run by {_read(handle) or 'another process'}. Wait until it is "
                f"done, or end it with `regsearch stop {os.path.relpath(folder)}`; then give the "
                "same command again."
            )
        ours = Holder(
            os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat("T", "seconds")
        )
        with storage_faults(path, "write"):
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(asdict(ours)).encode(), 0)
        yield ours
    finally:
        os.close(handle)


def holder(folder: Path) -> Holder | None:
    """Who runs the study in ``folder`` now, if anybody does; changes nothing.

    Raises:
        StorageError: the lock file cannot be read.
    """
    path = folder / NAME
    if not path.exists():
        return None
    with storage_faults(path, "read"):
        handle = os.open(path, os.O_RDONLY)
    try:
        return None if _lock(handle, path, fcntl.LOCK_SH) else _read(handle)
    finally:
        os.close(handle)


def _acquire(handle: int, path: Path) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not _lock(handle, path, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _lock(handle: int, path: Path, how: int) -> bool:
    try:
        with storage_faults(path, "lock"):
            fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(handle: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(handle, 4096, 0)))
    except (ValueError, TypeError):  # it has the lock, but has not yet said who it is
        return None
