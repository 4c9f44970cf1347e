"""Checkpoints that are whole or absent: each has a manifest with its SHA-256, checked on loading.

torch loads most damaged files without complaint and with wrong weights, so nothing is read whose
hash does not agree.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch

from regsearch.disk import write_atomically
from regsearch.errors import StorageError

DATA, MANIFEST, DAMAGED = ".pt", ".json", ".corrupt"


def save(folder: Path, epoch: int, state: dict[str, Any], keep: int = 2) -> None:
    """Write ``state`` (tensors in nested dicts) as the checkpoint of ``epoch``; keep the newest.

    Args:
        folder: of one pack; made if absent.
        epoch: number of finished epochs.
        state: of ``PackTraining.state_dict``.
        keep: how many checkpoints stay, at least 2, so that a damaged one costs little.

    Raises:
        StorageError: the disk refuses.
        ValueError: ``keep`` is too small.
    """
    if keep < 2:
        raise ValueError(f"keep at least 2 checkpoints, one may be damaged; got {keep}")
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    data = folder / f"epoch-{epoch:08d}{DATA}"
    manifest = {"epoch": epoch, "bytes": len(content), "sha256": _sha256(content)}
    write_atomically(data, content)
    write_atomically(data.with_suffix(MANIFEST), json.dumps(manifest).encode())
    for old in _newest_first(folder)[keep:]:
        old.with_suffix(DATA).unlink(missing_ok=True)
        old.unlink()


def load_latest(folder: Path) -> tuple[int, dict[str, Any]] | None:
    """Newest undamaged checkpoint: the epoch and the state; ``None`` if there is none.

    A damaged one is set aside as ``*.corrupt`` and the one before it is used.

    Raises:
        StorageError: a file cannot be read at all, or comes from another version of torch.
    """
    for manifest in _newest_first(folder):
        content = _verified(manifest)
        if content is None:
            for part in (manifest, manifest.with_suffix(DATA)):
                if part.exists():
                    part.replace(part.with_name(part.name + DAMAGED))
            continue
        try:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as error:
            raise StorageError(
                f"{manifest.with_suffix(DATA)}: undamaged, but this torch cannot read it "
                f"({error}); remove the folder to train these runs again"
            ) from error
        return int(manifest.stem.removeprefix("epoch-")), state
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"epoch-*{MANIFEST}"), reverse=True)


def _verified(manifest: Path) -> bytes | None:
    """The checkpoint's content if it is what ``save`` wrote under this name, else ``None``."""
    try:
        promised = json.loads(manifest.read_bytes())
        content = manifest.with_suffix(DATA).read_bytes()
        whole = promised == {
            "epoch": int(manifest.stem.removeprefix("epoch-")),
            "bytes": len(content),
            "sha256": _sha256(content),
        }
    except (ValueError, FileNotFoundError):
        return None
    return content if whole else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
