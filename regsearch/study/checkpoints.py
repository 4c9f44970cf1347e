"""Where the checkpoints of a study's packs lie: ``checkpoints/PACK/``, with the runs' names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from regsearch import disk
from regsearch.study.pack import Pack
from regsearch.train import checkpoint

_RUNS = "runs.json"


class PackCheckpoints:
    """The checkpoints of one pack."""

    def __init__(self, folder: Path, pack: Pack, keep: int) -> None:
        self._folder, self._pack, self._keep = folder / pack.name, pack, keep

    def save(self, epoch: int, state: dict[str, Any]) -> None:
        """Write a checkpoint; the last ``keep`` ones stay.

        Raises:
            StorageError: the disk refuses.
        """
        if not (self._folder / _RUNS).exists():
            with disk.storage_faults(self._folder, "write in"):
                self._folder.mkdir(parents=True, exist_ok=True)
            names = json.dumps([run.run for run in self._pack.runs])
            disk.write_atomically(self._folder / _RUNS, names.encode())
        checkpoint.save(self._folder, epoch, state, keep=self._keep)

    def load(self) -> dict[str, Any] | None:
        """The newest undamaged checkpoint, or None."""
        latest = checkpoint.load_latest(self._folder)
        return latest[1] if latest else None

    def discard(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._folder, ignore_errors=True)


def begun(folder: Path) -> list[list[str]]:
    """Runs of each pack that has checkpoints in ``folder``, the smallest packs first.

    A pack that ran out of memory went on in halves, so where two packs share a run, the smaller
    one is newer.
    """
    return sorted(filter(None, map(_names, sorted(folder.glob(f"*/{_RUNS}")))), key=len)


def discard(folder: Path, recorded: Iterable[str]) -> None:
    """Remove the checkpoints of every pack, or part of one, all of whose runs are ``recorded``."""
    done = set(recorded)
    for names in folder.glob(f"*/{_RUNS}"):
        if done.issuperset(_names(names)):
            shutil.rmtree(names.parent, ignore_errors=True)


def _names(file: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads(file.read_text())]
    except ValueError:
        return []  # damaged: those runs start again
