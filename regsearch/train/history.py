"""What has been measured of the runs of a pack, and what it comes to for each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regsearch.cells import Tree
from regsearch.histogram import Histogram
from regsearch.metrics import COURSE, Histograms
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
    distributions: dict[str, Histogram] = field(default_factory=dict)


class History:
    """Curves and newest histograms of ``runs`` runs, when each diverged, and the time it took."""

    def __init__(self, runs: int) -> None:
        self.diverged_at = torch.zeros(runs, dtype=torch.int64)  # epoch from 1; 0: finite so far
        self._curves: dict[str, list[Tensor]] = {}
        self._histograms: dict[str, Histograms] = {}
        self._seconds, self._started = 0.0, time.time()
        self._rates: list[float] = []

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(next(iter(self._curves.values()), []))

    def add(
        self,
        measured: Tree,
        finite: Tensor,
        seconds: float,
        rate: float,
        histograms: Mapping[str, Histograms] = MappingProxyType({}),
    ) -> Tree:
        """Append one epoch, ``[K]`` each; NaN from where a run is not ``finite``, bool ``[K]``.

        What it was trained with, a hyper-parameter's course, is known in that epoch, too.
        Of ``histograms``, those of the last epoch that has them are kept. ``rate`` is how many
        examples a second were trained on, all runs together.
        """
        self.diverged_at[~finite & (self.diverged_at == 0)] = self.epochs + 1
        dead = self.diverged_at > 0
        kept = {
            name: values if name.startswith(COURSE) else values.masked_fill(dead, torch.nan)
            for name, values in measured.items()
        }
        for name, values in kept.items():
            self._curves.setdefault(name, []).append(values)
        self._histograms |= {name: found.cpu() for name, found in histograms.items()}
        self._seconds += seconds
        self._rates.append(rate)
        return kept

    def best_now(self) -> dict[str, float]:
        """Best value over the runs of each measured quantity after the last epoch."""
        best = {}
        for name, curve in self._curves.items():
            alive = curve[-1][curve[-1].isfinite()]
            if len(alive):
                best[name] = float(alive.max() if direction(name) else alive.min())
        return best

    def results(self, epochs: int, peak_memory: int | None) -> list[RunResult]:
        """One result per run; a run that has not had all its ``epochs`` is ``stopped``.

        A diverged run ends with the epoch at which it diverged, however long its pack went on; it
        has no histograms, which would be of another epoch than its end. ``peak_memory`` is the
        pack's, in bytes.
        """
        finished, cost = _iso(time.time()), self._cost(peak_memory)
        curves = {name: torch.stack(values, 1).numpy() for name, values in self._curves.items()}
        return [
            self._result(
                k, {name: curve[k] for name, curve in curves.items()}, epochs, finished, cost
            )
            for k in range(len(self.diverged_at))
        ]

    def _result(
        self,
        k: int,
        curves: dict[str, NDArray[np.float32]],
        epochs: int,
        finished: str,
        cost: dict[str, float | None],
    ) -> RunResult:
        diverged_at = int(self.diverged_at[k])
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
            metrics=summarize(curves) | cost,
            curves=curves,
            distributions={}
            if diverged_at
            else {name: found.of_run(k) for name, found in self._histograms.items()},
        )

    def _cost(self, peak_memory: int | None) -> dict[str, float | None]:
        rate = statistics.median(self._rates) if self._rates else None
        return {"samples_per_second": rate, "peak_memory": peak_memory}

    def state_dict(self) -> dict[str, Any]:
        """The history as tensors."""
        return {
            "diverged_at": self.diverged_at,
            "curves": {name: torch.stack(values) for name, values in self._curves.items()},
            "histograms": {name: found._asdict() for name, found in self._histograms.items()},
            "clock": torch.tensor([self._seconds, self._started], dtype=torch.float64),
            "rates": torch.tensor(self._rates, dtype=torch.float64),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from ``saved``."""
        diverged_at, curves, clock = saved["diverged_at"], saved["curves"], saved["clock"]
        self.diverged_at = diverged_at.clone()
        self._curves = {name: list(values.unbind()) for name, values in curves.items()}
        histograms = saved.get("histograms", {})  # older checkpoints have none
        self._histograms = {name: Histograms(**found) for name, found in histograms.items()}
        self._seconds, self._started = clock.tolist()
        self._rates = saved.get("rates", torch.empty(0)).tolist()


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
