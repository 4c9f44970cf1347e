"""The driver: the one process that records. It starts packs, hears from them, writes what ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from regsearch import disk
from regsearch.records import Record, Status, Store
from regsearch.study import checkpoints
from regsearch.study.executors import Advanced, Begun, Event, Failed, Finished, Waiting
from regsearch.study.feed import Feed
from regsearch.study.pack import Pack
from regsearch.study.place import Place
from regsearch.study.progress import Tally
from regsearch.study.provenance import provenance
from regsearch.study.trials import PlannedRun
from regsearch.study.work import Outcome

CURVES = 8
"""Measured quantities of a run, about; a value takes four bytes."""

RECORD_BYTES = 2048
"""What a record takes beside its curves, about."""


class Driver:
    """Turns the events of an executor into records and a tally."""

    def __init__(
        self, store: Store, checkpoint_folder: Path, tally: Tally, changed: Callable[[], None]
    ) -> None:
        self._store, self._checkpoints = store, checkpoint_folder
        self._tally, self._changed = tally, changed
        self._feed: Feed | None = None
        self._started: dict[str, str] = {}
        self._diverged: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._places: dict[str, Place] = {}

    def report_to(self, feed: Feed) -> None:
        """Tell ``feed``, too, what is recorded."""
        self._feed = feed

    def begin(self, packs: Sequence[Pack]) -> None:
        """Note when training begins, and see that the disk has room for the records.

        Raises:
            StorageError: it has not, which is better known now than when the first pack ends.
        """
        values = sum(run.task.train.epochs for pack in packs for run in pack.runs) * CURVES
        count = sum(len(pack.runs) for pack in packs)
        disk.require_space(self._checkpoints.parent, count * RECORD_BYTES + 4 * values)
        now = _now()
        self._started |= {pack.name: now for pack in packs}

    def tell(self, event: Event) -> None:
        """Hear what happened to a pack; what is finished is on the disk when this returns."""
        match event:
            case Begun(pack, place):
                self._started[pack.name] = _now()
                self._note_place(pack, place)
            case Advanced(pack, progress, place):
                self._note_place(pack, place)
                self._diverged[pack.name] = progress.diverged
                self._epochs[pack.name] = self._epochs.get(pack.name, 0) + progress.epochs
                self._tally.advance(progress.epochs, progress.metrics.get(self._tally.goal))
            case Finished(pack, outcomes, by):
                runs = {run.run: run for run in pack.runs}
                self._record(pack, [self._from_outcome(runs[o.run], pack, o, by) for o in outcomes])
            case Failed(pack, reason):
                self._diverged[pack.name] = 0
                self._record(pack, [self._failed(run, pack, reason) for run in pack.runs])
            case Waiting(reason):
                self._tally.waiting = reason
        self._tally.diverged = sum(self._diverged.values())
        self._changed()

    def _note_place(self, pack: Pack, place: Place | None) -> None:
        if place is not None:
            self._places[pack.name] = place

    def _record(self, pack: Pack, records: list[Record]) -> None:
        self._store.add(records)
        if self._feed is not None:
            self._feed.hear(records)
        checkpoints.discard(self._checkpoints, [record.run for record in records])
        planned = sum(run.task.train.epochs for run in pack.runs)
        self._tally.epochs += self._epochs.pop(pack.name, 0) - planned  # resumed, failed, diverged
        self._tally.finished += len(records)
        self._tally.failed += sum(record.status is Status.FAILED for record in records)

    def _from_outcome(self, run: PlannedRun, pack: Pack, outcome: Outcome, by: str) -> Record:
        result = outcome.result
        if result is None:
            return self._failed(run, pack, str(outcome.failure))
        status, reason = Status(result.status), result.reason
        if status is Status.STOPPED:
            reason = f"stopped by {by} {reason}"
        return Record(
            run=run.run,
            cell=run.cell,
            status=status,
            reason=reason,
            task=run.task.content(),
            epochs=result.epochs,
            seconds=result.seconds,
            started=result.started,
            finished=result.finished,
            metrics=result.metrics,
            curves=result.curves,
            distributions=result.distributions,
            provenance=self._provenance(pack, outcome.runs_together),
        )

    def _failed(self, run: PlannedRun, pack: Pack, reason: str) -> Record:
        return Record(
            run=run.run,
            cell=run.cell,
            status=Status.FAILED,
            reason=reason,
            task=run.task.content(),
            epochs=0,
            seconds=0.0,
            started=self._started.get(pack.name, _now()),
            finished=_now(),
            metrics={},
            curves=dict[str, np.ndarray](),
            provenance=self._provenance(pack, len(pack.runs)),
        )

    def _provenance(self, pack: Pack, together: int) -> dict[str, Any]:
        return provenance(pack, together, self._places.get(pack.name))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
