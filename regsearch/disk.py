"""The one module that makes files last: written whole or not at all, with faults explained.

Checkpoints, specs and reports go through ``write_atomically``. Every step that a crash can come
between is an entry of ``operations``, so that a test can fail the k-th of them, for all k.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from regsearch.errors import StorageError

TEMPORARY = ".partial"
"""Ending of files that are being written; one that is found at rest was left by a crash."""

MOUNTS = Path("/proc/self/mounts")
MODE = 0o666  # less the umask: data, nothing to execute

NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "lustre", "gpfs", "beegfs", "ceph", "fuse")


class Operations(NamedTuple):
    """What the kernel is asked to do, in the order of one atomic write."""

    open: Callable[[Path, int, int], int] = os.open
    write: Callable[[int, memoryview], int] = os.write
    fsync: Callable[[int], None] = os.fsync
    replace: Callable[[Path, Path], None] = os.replace
    unlink: Callable[[Path], None] = os.unlink


operations = Operations()


class Fault(NamedTuple):
    """How to tell a user what the kernel's error number means for the study."""

    rule: str
    way_out: str


_FULL = "free some space there, or move the study to another disk (--output)"
_DENIED = "give yourself the right to write there, or choose another folder (--output)"

FAULTS = {
    errno.ENOSPC: Fault("the disk is full", _FULL),
    errno.EDQUOT: Fault("your disk quota is used up", _FULL),
    errno.EFBIG: Fault("the file has reached a size limit (see `ulimit -f`)", "lift the limit"),
    errno.EROFS: Fault("the file system is read-only", _DENIED),
    errno.EACCES: Fault("permission denied", _DENIED),
    errno.EPERM: Fault("operation not permitted", _DENIED),
    errno.EIO: Fault(
        "the disk failed to read or write", "check the disk (`dmesg`), its quota and its mount"
    ),
    errno.ENOENT: Fault("there is no such file or folder", "create the folder, or name another"),
    errno.EISDIR: Fault("a folder lies where a file is needed", "choose another name"),
    errno.ENOTDIR: Fault("a file lies where a folder is needed", "remove or rename that file"),
    errno.EEXIST: Fault("a file lies where a folder is needed", "remove or rename that file"),
    errno.ENAMETOOLONG: Fault("the name is too long", "choose a shorter name or folder"),
    errno.ENOLCK: Fault("the file system cannot lock files", "use a local disk (--output)"),
    errno.EOPNOTSUPP: Fault("the file system cannot lock files", "use a local disk (--output)"),
}


def storage_error(path: Path, doing: str, code: int, need: int | None = None) -> StorageError:
    """The user's message for error number ``code``, one of ``FAULTS``, met while ``doing``."""
    rule, way_out = FAULTS[code]
    needs = "" if need is None else f"{_size(need)} needed, "
    try:
        space = f" ({needs}{_size(free_bytes(path))} free)"
    except OSError:  # the disk does not even answer that
        space = ""
    return StorageError(
        f"cannot {doing} {path}: {rule}{space}. To go on: {way_out}, "
        "then give the same command again; everything recorded so far is kept."
    )


@contextmanager
def storage_faults(path: Path, doing: str, need: int | None = None) -> Iterator[None]:
    """Turn the kernel's faults into a message; other errors pass, for they are bugs.

    Args:
        path: what is read or written, for the message.
        doing: a verb for the message, as in "cannot <write> <path>".
        need: bytes that are about to be written.

    Raises:
        StorageError: the disk is full, read-only, damaged, or forbids it.
    """
    try:
        yield
    except OSError as fault:
        if fault.errno not in FAULTS:
            raise
        raise storage_error(path, doing, fault.errno, need) from fault


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Replace the content of ``path``; a reader or a crash sees the old content or the new.

    When this returns, bytes and name are on the disk. When it raises before the new name is
    there, the old content stays and no temporary file is left, save by a kill: see
    ``sweep_temporary``.

    Raises:
        StorageError: as ``storage_faults``.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    with storage_faults(path, "write", need=len(data)):
        try:
            _write_durably(temporary, memoryview(data))
            operations.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                operations.unlink(temporary)
            raise
        _sync_folder(path.parent)


def _write_durably(path: Path, data: memoryview) -> None:
    handle = operations.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    try:
        while data:
            data = data[operations.write(handle, data) :]
        operations.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = operations.open(folder, os.O_RDONLY | os.O_DIRECTORY, 0)
    try:
        operations.fsync(handle)
    finally:
        os.close(handle)


def sweep_temporary(folder: Path) -> int:
    """Delete what killed writers left anywhere in ``folder``; the number of files deleted.

    Call it only while nobody else can be writing there.

    Raises:
        StorageError: as ``storage_faults``.
    """
    leftovers = [path for path in folder.rglob(f"*{TEMPORARY}") if path.is_file()]
    with storage_faults(folder, "clean up"):
        for path in leftovers:
            operations.unlink(path)
    return len(leftovers)


def free_bytes(path: Path) -> int:
    """Bytes that we may still write where ``path`` lies or will lie."""
    return shutil.disk_usage(_nearest_existing(path)).free


def require_space(path: Path, need: int) -> None:
    """Refuse to begin what would not fit.

    Args:
        path: where it will be written; need not exist.
        need: bytes.

    Raises:
        StorageError: fewer than ``need`` bytes are free there.
    """
    if free_bytes(path) < need:
        raise storage_error(path, "write", errno.ENOSPC, need)


def require_writable(folder: Path) -> None:
    """Create ``folder`` if it is not there, and prove that we can write in it.

    Raises:
        StorageError: we cannot.
    """
    with storage_faults(folder, "write in"):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f"probe.{secrets.token_hex(4)}{TEMPORARY}"
        os.close(operations.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE))
        operations.unlink(probe)


def on_network(path: Path) -> bool:
    """Whether ``path`` lies, or may lie, on another machine, which shared memory cannot span.

    Read from Linux's table of mounts; elsewhere the answer is no.
    """
    if not MOUNTS.exists():
        return False
    place = _nearest_existing(path)
    mounts = [line.split()[1:3] for line in MOUNTS.read_text().splitlines()]
    around = [
        (len(point), kind)
        for point, kind in mounts
        if place.is_relative_to(point.encode().decode("unicode_escape"))  # a blank is \\040
    ]
    return max(around)[1].startswith(NETWORK_FILE_SYSTEMS) if around else False


def _nearest_existing(path: Path) -> Path:
    absolute = path.resolve()
    return next(place for place in [absolute, *absolute.parents] if place.exists())


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
