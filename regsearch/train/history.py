"""What has been measured of the runs of a pack, and what it comes to for each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regsearch.cells import Tree
from regsearch.train.summary import direction, summarize


@dataclass(frozen=True)
class RunResult:
    """What came out of one run; see ``Record`` for the meaning of each field."""

    status: str  # completed, diverged or stopped
    reason: str | None
    epochs: int
    seconds: float
    started: str
    finished: str
    metrics: dict[str, float | None]
    curves: dict[str, NDArray[np.float32]]


class History:
    """Curves of ``runs`` runs, the epoch at which each diverged, and the time it all took."""

    def __init__(self, runs: int) -> None:
        self.diverged_at = torch.zeros(runs, dtype=torch.int64)  # epoch from 1; 0: finite so far
        self._curves: dict[str, list[Tensor]] = {}
        self._seconds, self._started = 0.0, time.time()

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(next(iter(self._curves.values()), []))

    def add(self, measured: Tree, finite: Tensor, seconds: float) -> Tree:
        """Append one epoch, ``[K]`` each; NaN from where a run is not ``finite``, bool ``[K]``."""
        self.diverged_at[~finite & (self.diverged_at == 0)] = self.epochs + 1
        dead = self.diverged_at > 0
        kept = {name: values.masked_fill(dead, torch.nan) for name, values in measured.items()}
        for name, values in kept.items():
            self._curves.setdefault(name, []).append(values)
        self._seconds += seconds
        return kept

    def best_now(self) -> dict[str, float]:
        """Best value over the runs of each measured quantity after the last epoch."""
        best = {}
        for name, curve in self._curves.items():
            alive = curve[-1][curve[-1].isfinite()]
            if len(alive):
                best[name] = float(alive.max() if direction(name) else alive.min())
        return best

    def results(self, epochs: int) -> list[RunResult]:
        """One result per run; a run that has not had all its ``epochs`` is ``stopped``.

        A diverged run ends with the epoch at which it diverged, however long its pack went on.
        """
        finished = _iso(time.time())
        curves = {name: torch.stack(values, 1).numpy() for name, values in self._curves.items()}
        return [
            self._result(
                {name: curve[k] for name, curve in curves.items()}, int(at), epochs, finished
            )
            for k, at in enumerate(self.diverged_at)
        ]

    def _result(
        self, curves: dict[str, NDArray[np.float32]], diverged_at: int, epochs: int, finished: str
    ) -> RunResult:
        trained = diverged_at or self.epochs
        curves = {name: curve[:trained].copy() for name, curve in curves.items()}
        status, reason = "completed", None
        if diverged_at:
            status, reason = "diverged", f"loss or weights not finite in epoch {diverged_at}"
        elif trained < epochs:
            status, reason = "stopped", f"after {trained} of {epochs} epochs"
        return RunResult(
            status=status,
            reason=reason,
            epochs=trained,
            seconds=self._seconds / len(self.diverged_at),
            started=_iso(self._started),
            finished=finished,
            metrics=summarize(curves),
            curves=curves,
        )

    def state_dict(self) -> dict[str, Any]:
        """The history as tensors."""
        return {
            "diverged_at": self.diverged_at,
            "curves": {name: torch.stack(values) for name, values in self._curves.items()},
            "clock": torch.tensor([self._seconds, self._started], dtype=torch.float64),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from ``saved``."""
        diverged_at, curves, clock = saved["diverged_at"], saved["curves"], saved["clock"]
        self.diverged_at = diverged_at.clone()
        self._curves = {name: list(values.unbind()) for name, values in curves.items()}
        self._seconds, self._started = clock.tolist()


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
