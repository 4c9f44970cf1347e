"""Carry the records of one study to MLflow in batches; what MLflow cannot take now waits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from regsearch.records.record import Record, Status
from regsearch.track.address import Address
from regsearch.track.artifacts import study_files
from regsearch.track.environment import prepare_environment
from regsearch.track.identity import Identity
from regsearch.track.log import DeliveryLog
from regsearch.track.outcome import Outcome
from regsearch.track.summary import Summary
from regsearch.track.view import milliseconds

if TYPE_CHECKING:  # importing it imports MLflow
    from regsearch.track.target import Target

BATCH = 200  # records; one transaction where the store takes many runs at once
NOTE = "the note"  # the place of the parent's description in the log, where files have theirs


class Source(Protocol):
    """The half of ``Store`` that reads."""

    def records(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Numbered records in order of arrival."""

    def statuses(self) -> dict[str, Status]:
        """How each recorded run ended, by its hash."""


class Courier:
    """One study on its way to one address; connects only when there is something to deliver."""

    def __init__(
        self, source: Source, folder: Path, address: Address, study: Identity, log: DeliveryLog
    ) -> None:
        self._source = source
        self._folder = folder
        self._address = address
        self._study = study
        self._log = log
        self._target: Target | None = None
        self._coming: Iterator[tuple[int, Record]] = iter(())
        self._last = 0  # sequence number
        self._batch: list[Record] = []
        self._summary = Summary()
        self._arrived = 0
        self._refused: dict[str, str] = {}
        if address.sqlite_file is not None and not address.sqlite_file.exists():
            log.forget()

    def carry(self) -> bool:
        """Deliver the next batch; ``False`` if there is none.

        Raises:
            Exception: of any kind, if MLflow is in trouble; the batch is kept for the next call.
        """
        if not self._batch:
            self._load()
        if not self._batch:
            return False
        refused: dict[str, str] = {}
        if not all(self._log.has(record.run, record.finished) for record in self._batch):
            from regsearch.track.delivery import deliver

            refused = deliver(self._batch, self._connect(), self._log, self._study.name)
        for record in self._batch:
            self._summary.add(record)
        self._arrived += len(self._batch) - len(refused)
        self._refused |= refused
        self._batch = []
        return True

    def conclude(self) -> None:
        """Bring the study's description and files up to date, and mark it as finished.

        Raises:
            Exception: of any kind, if MLflow is in trouble.
        """
        if not self._summary.statuses:
            return
        note = self._summary.note()
        digest = hashlib.sha256(note.encode()).hexdigest()
        files = [f for f in study_files(self._folder) if self._log.files.get(f.path) != f.digest]
        if self._target is None and not files and self._log.files.get(NOTE) == digest:
            return
        target = self._connect()
        for file in files:
            target.upload(file.file, file.folder)
            self._log.sent_file(file.path, file.digest)
        target.describe(note, self._summary.end_time)
        self._log.sent_file(NOTE, digest)

    def disconnect(self) -> None:
        """Connect anew before the next delivery."""
        self._target = None

    def outcome(self, trouble: str | None) -> Outcome:
        """How things stand; ``trouble`` is why the delivery was given up."""
        outstanding = len(self._source.statuses()) - self._arrived
        if trouble is None and self._refused:
            trouble = f"MLflow refused {len(self._refused)} runs: {min(self._refused.values())}"
        return Outcome(self._arrived, outstanding, trouble)

    def _load(self) -> None:
        """Take up the next batch; at the end of the records, look for new ones."""
        numbered = list(islice(self._coming, BATCH))
        if not numbered:
            self._coming = self._source.records(self._last)
            numbered = list(islice(self._coming, BATCH))
        if numbered:
            self._last = numbered[-1][0]
            self._batch = [record for _, record in numbered]

    def _connect(self) -> Target:
        if self._target is None:
            prepare_environment()
            from regsearch.track.target import Target

            first = self._summary.started or min(record.started for record in self._batch)
            self._target = Target.connect(self._address, self._study, milliseconds(first))
            self._log.sent_file(NOTE, "")  # the parent is running again until it is described
        return self._target
