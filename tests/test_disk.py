"""Atomic writes under every fault that can come between their steps."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from regsearch import disk
from regsearch.disk import (
    FAULTS,
    TEMPORARY,
    free_bytes,
    on_network,
    require_space,
    require_writable,
    storage_faults,
    sweep_temporary,
    write_atomically,
)
from regsearch.errors import ExitCode, StorageError
from tests.faults import file_size_limit, run_child, small_disk

OLD, NEW = b"old" * 1000, b"new" * 5000


class Fails:
    """The kernel's operations, until the ``k``-th of them, where ``fault`` happens instead."""

    def __init__(self, k: int, fault: Callable[[], Any]) -> None:
        self.left, self.fault = k, fault
        self.operations = disk.Operations(*(self._watch(each) for each in disk.Operations()))

    def _watch(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            self.left -= 1
            return self.fault() if self.left == 0 else operation(*arguments)

        return watched


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_bytes(OLD)
    return path


def raise_(error: BaseException) -> Callable[[], None]:
    def fault() -> None:
        raise error

    return fault


def test_writes_new_content_and_leaves_nothing_else(path: Path) -> None:
    write_atomically(path, memoryview(NEW))
    assert path.read_bytes() == NEW
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "x"), OSError(errno.ENOSPC, "x")])
def test_an_error_at_any_step_leaves_old_or_new(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    for k in range(1, 7):  # open, write, fsync, replace, open the folder, fsync it
        path.write_bytes(OLD)
        monkeypatch.setattr(disk, "operations", Fails(k, raise_(error)).operations)
        with pytest.raises(StorageError, match=path.name):
            write_atomically(path, NEW)
        assert path.read_bytes() in (OLD, NEW)
        assert list(path.parent.iterdir()) == [path]
    monkeypatch.setattr(disk, "operations", Fails(7, raise_(error)).operations)
    write_atomically(path, NEW)  # there is no seventh step


def test_ctrl_c_at_any_step_leaves_old_or_new(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(1, 7):
        path.write_bytes(OLD)
        monkeypatch.setattr(disk, "operations", Fails(k, raise_(KeyboardInterrupt())).operations)
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, NEW)
        assert path.read_bytes() in (OLD, NEW)
        assert list(path.parent.iterdir()) == [path]


def test_a_kill_at_any_step_leaves_old_or_new_and_a_sweep_tidies(path: Path) -> None:
    for k in count(1):
        path.write_bytes(OLD)

        def killed(k: int = k) -> None:
            disk.operations = Fails(k, lambda: os._exit(9)).operations
            write_atomically(path, NEW)

        code = run_child(killed)
        assert path.read_bytes() in (OLD, NEW)
        left = [file for file in path.parent.iterdir() if file != path]
        assert sweep_temporary(path.parent) == len(left)
        assert list(path.parent.iterdir()) == [path]
        if code == 0:
            break
        assert code == 9
    assert path.read_bytes() == NEW
    assert k == 7


class PowerCut:
    """A disk that keeps only what was synced: contents by ``fsync``, names by that of the folder.

    ``survivors`` are the contents that ``path`` may have if the power fails now. A name may reach
    the disk before it is synced, a content that was not synced may be gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = {path: OLD}  # file by name, as the running system sees it
        self.synced_names, self.synced = dict(self.names), {OLD}
        self.handles: dict[int, Path] = {}
        self.seen: list[set[bytes]] = []
        self.operations = disk.Operations(
            self._open, self._write, self._fsync, self._replace, os.unlink
        )

    def survivors(self) -> set[bytes]:
        contents = {self.names[self.path], self.synced_names[self.path]}
        return {content if content in self.synced else b"lost" for content in contents}

    def _open(self, path: Path, flags: int, mode: int) -> int:
        handle = os.open(path, flags, mode)
        self.handles[handle] = path
        if flags & os.O_CREAT:
            self.names[path] = b""
        self.seen.append(self.survivors())
        return handle

    def _write(self, handle: int, data: memoryview) -> int:
        part = data[: len(NEW) // 3 + 1]
        self.names[self.handles[handle]] += bytes(part)
        self.seen.append(self.survivors())
        return os.write(handle, part)

    def _fsync(self, handle: int) -> None:
        if self.handles[handle].is_dir():
            self.synced_names = dict(self.names)
        else:
            self.synced.add(self.names[self.handles[handle]])
        self.seen.append(self.survivors())

    def _replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)
        self.names[target] = self.names.pop(source)
        self.seen.append(self.survivors())


def test_a_power_cut_at_any_step_leaves_old_or_new(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = PowerCut(path)
    monkeypatch.setattr(disk, "operations", machine.operations)
    write_atomically(path, NEW)
    assert machine.seen[0] == {OLD}
    assert set.union(*machine.seen) == {OLD, NEW}
    assert machine.survivors() == {NEW}  # acknowledged, so there


def test_a_full_disk_is_explained_and_keeps_the_old_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as folder:
        path = folder / "checkpoint"
        write_atomically(path, OLD)
        with pytest.raises(StorageError, match=r"the disk is full \(100 kB needed, .* free\)"):
            write_atomically(path, b"x" * 100_000)
        assert path.read_bytes() == OLD
        assert list(folder.iterdir()) == [path]


def test_a_size_limit_is_explained_and_keeps_the_old_file(path: Path) -> None:
    with file_size_limit(8192), pytest.raises(StorageError, match="ulimit"):
        write_atomically(path, NEW)
    assert path.read_bytes() == OLD
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("code", FAULTS)
def test_each_fault_names_rule_place_and_way_out(tmp_path: Path, code: int) -> None:
    place = tmp_path / "not" / "there"
    with pytest.raises(StorageError) as refused, storage_faults(place, "save", need=2_500_000):
        raise OSError(code, os.strerror(code))
    message = str(refused.value)
    assert message.startswith(f"cannot save {place}: {FAULTS[code].rule} (2.5 MB needed, ")
    assert FAULTS[code].way_out in message
    assert refused.value.exit_code is ExitCode.STORAGE


def test_other_errors_keep_their_traceback(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="bad"), storage_faults(tmp_path, "save"):
        raise OSError(errno.EBADF, "bad")


def test_free_space_is_asked_for_before_the_work(tmp_path: Path) -> None:
    place = tmp_path / "not" / "there"
    require_space(place, 1)
    with pytest.raises(StorageError, match="needed"):
        require_space(place, free_bytes(place) + 10**12)


def test_a_writable_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())


def test_a_file_in_the_place_of_the_folder_is_named(path: Path) -> None:
    for folder in (path, path / "below"):
        with pytest.raises(StorageError, match="a file lies where a folder is needed"):
            require_writable(folder)


def test_a_read_only_folder_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = Fails(1, raise_(OSError(errno.EROFS, "read-only")))
    monkeypatch.setattr(disk, "operations", refusing.operations)
    with pytest.raises(StorageError, match=r"read-only.*--output"):
        require_writable(path.parent)


def test_a_sweep_reaches_subfolders_and_spares_the_rest(tmp_path: Path) -> None:
    keep, drop = tmp_path / "a" / "keep", tmp_path / "a" / f"drop{TEMPORARY}"
    keep.parent.mkdir()
    keep.touch()
    drop.touch()
    assert sweep_temporary(tmp_path) == 1
    assert keep.exists()
    assert not drop.exists()


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = tmp_path / "mounts"
    monkeypatch.setattr(disk, "MOUNTS", table)
    return table


@pytest.mark.parametrize(
    ("kind", "network"), [("ext4", False), ("nfs4", True), ("fuse.sshfs", True), ("lustre", True)]
)
def test_the_nearest_mount_says_whether_a_path_is_on_the_network(
    tmp_path: Path, mounts: Path, kind: str, network: bool
) -> None:
    inner = tmp_path / "group home"
    inner.mkdir()
    point = str(inner).replace(" ", r"\040")
    mounts.write_text(
        f"srv:/x {point} {kind} rw 0 0\nother / {'ext4' if network else 'nfs'} rw 0 0\n"
    )
    assert on_network(inner / "study" / "study.db") is network
    assert on_network(tmp_path) is not network


def test_without_a_table_of_mounts_a_path_counts_as_local(tmp_path: Path, mounts: Path) -> None:
    assert on_network(tmp_path) is False
