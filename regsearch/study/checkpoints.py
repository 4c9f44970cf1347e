"""Where the checkpoints of a study's packs lie: ``checkpoints/PACK/``, with the runs' names."""

from __future__ import annotations

import json
import shutil
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
        """Write a checkpoint; the last ``keep`` ones stay."""
        if not (self._folder / _RUNS).exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            names = json.dumps([run.run for run in self._pack.runs])
            disk.write_atomically(self._folder / _RUNS, names.encode())
        checkpoint.save(self._folder, epoch, state, keep=self._keep)

    def load(self) -> dict[str, Any] | None:
        """The newest undamaged checkpoint, or None."""
        latest = checkpoint.load_latest(self._folder)
        return latest[1] if latest else None


def begun(folder: Path) -> list[list[str]]:
    """Runs of each pack that has checkpoints in ``folder``."""
    found = []
    for names in sorted(folder.glob(f"*/{_RUNS}")):
        try:
            found.append([str(name) for name in json.loads(names.read_text())])
        except ValueError:
            shutil.rmtree(names.parent)  # unreadable: those runs start again
    return found


def discard(folder: Path, pack: str) -> None:
    """Remove the checkpoints of a pack whose records are in the store."""
    shutil.rmtree(folder / pack, ignore_errors=True)
