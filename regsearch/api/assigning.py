"""What a start has to do: train runs that are known, or ask a search that learns what to train."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from regsearch.api.pipeline import Pipeline
from regsearch.records import Status, Store
from regsearch.study.expand import count_runs, examples, is_open
from regsearch.study.feed import Feed, Packs
from regsearch.study.learning import Form, Learner
from regsearch.study.trials import PlannedRun

ASKED = "asked"
"""The fact in which the store notes the trials in training, by the task of one run of each."""


class Assignment(Protocol):
    """What is asked for, what of it is recorded, and how the rest is handed out."""

    asked: int  # runs; of a search that learns, at most
    recorded: int
    epochs: int  # to train, over all runs
    examples: list[PlannedRun]  # show all that may be wrong with the runs to train
    is_open: bool  # whether the runs are not known beforehand

    @property
    def complete(self) -> bool:
        """Whether nothing is left to train."""

    def feed(self, form: Form) -> Feed:
        """Hands out what is left, packed by ``form``."""

    def ended(self) -> Counter[Status]:
        """How the runs that are asked for have ended."""


def assign(folder: Path, store: Store, pipeline: Pipeline) -> Assignment:
    """What is left to do of ``pipeline`` in the study in ``folder``."""
    if is_open(pipeline.spec):
        return Open(folder, store, pipeline)
    return Fixed(store, pipeline)


class Fixed:
    """Runs that are all known."""

    is_open = False

    def __init__(self, store: Store, pipeline: Pipeline) -> None:
        self._store, self._runs = store, pipeline.expand()
        recorded = store.statuses()
        self.examples = [run for run in self._runs if run.run not in recorded]
        self.asked, self.recorded = len(self._runs), len(self._runs) - len(self.examples)
        self.epochs = sum(run.task.train.epochs for run in self.examples)

    @property
    def complete(self) -> bool:
        """Whether each has a record."""
        return self.ended().total() == self.asked

    def feed(self, form: Form) -> Feed:
        """All that are missing, at once."""
        return Packs(form(self.examples))

    def ended(self) -> Counter[Status]:
        """As the store says."""
        statuses = self._store.statuses()
        return Counter(statuses[run.run] for run in self._runs if run.run in statuses)


class Open:
    """Runs that are asked for one trial after the other."""

    is_open = True

    def __init__(self, folder: Path, store: Store, pipeline: Pipeline) -> None:
        self._store, self._pipeline = store, pipeline
        records = [record for _, record in store.records()]
        noted: list[dict[str, Any]] = store.facts().get(ASKED, [])
        self._learner = Learner(pipeline.spec, records, noted, folder)
        self.asked = count_runs(pipeline.spec)
        self.recorded = self.ended().total()
        self.examples = examples(pipeline.spec)
        lengths = [run.task.train.epochs for run in self.examples]
        self.epochs = max(0, self.asked - self.recorded) * sum(lengths) // max(1, len(lengths))

    @property
    def complete(self) -> bool:
        """Whether nothing more will be asked, and all that was is recorded."""
        return self._learner.complete

    def feed(self, form: Form) -> Feed:
        """The search itself."""
        self._learner.pack_with(form, lambda asked: self._store.set_facts(**{ASKED: asked}))
        return self._learner

    def ended(self) -> Counter[Status]:
        """As the store says, of the trials of which something is recorded."""
        records = [record for _, record in self._store.records()]
        planned = {run.run for run in self._pipeline.expand(r.task for r in records)}
        return Counter(record.status for record in records if record.run in planned)


def forget(store: Store, pipeline: Pipeline, status: Status) -> None:
    """Drop the runs that ended so, and see that they are trained again."""
    if status not in store.statuses().values():
        return
    if is_open(pipeline.spec):
        tasks = [record.task for _, record in store.records() if record.status is status]
        store.set_facts(**{ASKED: [*store.facts().get(ASKED, []), *tasks]})
    store.remove(status)
