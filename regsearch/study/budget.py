"""Budgets of runs and of GPU hours, kept between the feed and the executor."""

from __future__ import annotations

import time
from collections.abc import Sequence

from regsearch.records import Record
from regsearch.study.feed import Feed
from regsearch.study.pack import Pack
from regsearch.study.settings import Budget


class Budgeted:
    """Another feed, as far as the budget goes.

    ``runs`` counts what is handed out, so that exactly as many end; a pack is cut to what is left,
    unless it is ``whole`` (a scheduler judges it as one): then it may be the last and exceed it.
    GPU hours are those that Ray reserves: time with a pack in training, times its GPUs.
    """

    def __init__(
        self, feed: Feed, budget: Budget, *, gpus: float, workers: int, whole: bool
    ) -> None:
        self._feed, self._whole = feed, whole
        self._gpus, self._workers = gpus, workers
        self._gpu_hours_most = budget.gpu_hours
        self._runs_left = budget.runs
        self._pack_of: dict[str, str] = {}
        self._left_of: dict[str, int] = {}
        self._gpu_seconds, self._counted_at = 0.0, time.monotonic()
        self._cut = False

    def next(self) -> Pack | None:
        """The next pack, while the budget lasts."""
        if self._runs_used_up():
            return None
        pack = self._feed.next()
        if pack is None:
            return None
        if self._runs_left is not None:
            if len(pack.runs) > self._runs_left and not self._whole:
                pack, self._cut = pack.part(pack.runs[: self._runs_left]), True
            self._runs_left -= len(pack.runs)
        self._count()
        self._left_of[pack.name] = len(pack.runs)
        self._pack_of |= {run.run: pack.name for run in pack.runs}
        return pack

    @property
    def done(self) -> bool:
        """True once the runs are used up, or nothing is left."""
        return self._runs_used_up() or self._feed.done

    def hear(self, records: Sequence[Record]) -> None:
        """Count the packs that have ended, and pass on what is recorded."""
        self._count()
        for record in records:
            pack = self._pack_of.pop(record.run, None)
            if pack is not None:
                self._left_of[pack] -= 1
                if not self._left_of[pack]:
                    del self._left_of[pack]
        self._feed.hear(records)

    def ended_early(self) -> bool:
        """Whether the budget leaves something undone."""
        return self._cut or (self._runs_used_up() and not self._feed.done)

    def gpus_used_up(self) -> bool:
        """Whether the GPU hours are over."""
        self._count()
        most = self._gpu_hours_most
        return most is not None and self._gpu_seconds > 3600 * most

    def _runs_used_up(self) -> bool:
        return self._runs_left is not None and self._runs_left <= 0

    def _count(self) -> None:
        now = time.monotonic()
        in_training = min(len(self._left_of), self._workers)
        self._gpu_seconds += (now - self._counted_at) * in_training * self._gpus
        self._counted_at = now
