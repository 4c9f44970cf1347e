"""A record: what was asked of a run, and what came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regsearch.histogram import Histogram


class Status(StrEnum):
    """How a run ended; every one of them is a result."""

    COMPLETED = "completed"  # trained to its last epoch
    DIVERGED = "diverged"  # loss or weights stopped being finite; drawn as such
    FAILED = "failed"  # an error, out of memory, a lost worker
    STOPPED = "stopped"  # ended early by a scheduler


@dataclass(frozen=True)
class Record:
    """One finished run.

    ``run`` and ``cell`` are hashes of content; a cell is a run without its seed. ``task`` is the
    content itself. ``metrics`` holds final values (``test_accuracy``) and summaries
    (``test_accuracy_best``), ``None`` where there is none; accuracies are fractions in [0, 1].
    ``curves`` holds one float32 array per measured quantity, one value per finished epoch, NaN
    from the epoch at which the run diverged. ``provenance`` says where and with what it was made:
    versions, git commit, data fingerprint, node, device and its name (older records have neither
    node nor name), engine, threads, pack size. ``distributions`` holds the newest histograms by
    name (``weights/0.weight``); a diverged run has none.
    """

    run: str
    cell: str
    status: Status
    reason: str | None  # why it diverged, failed or was stopped
    task: dict[str, Any]
    epochs: int  # finished
    seconds: float  # share of the pack's training time
    started: str  # ISO 8601, UTC
    finished: str
    metrics: dict[str, float | None]
    curves: dict[str, NDArray[np.float32]]
    provenance: dict[str, Any]
    distributions: dict[str, Histogram] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The seed that this run was asked to use."""
        return int(self.task["seed"])

    @property
    def regularizer(self) -> str:
        """Name of what was applied: ``volumization``, or ``enc + weight_decay``."""
        return " + ".join(entry["kind"] for entry in self.task["regularizers"])
