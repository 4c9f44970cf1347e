"""The feed of a search that learns: asks for settings, packs their runs, tells what came out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from regsearch.records import Record
from regsearch.study.expand import trials_of
from regsearch.study.pack import Pack
from regsearch.study.search import ALGORITHMS, Learned, Scope, Strategy
from regsearch.study.search.space import Space
from regsearch.study.spec import Pipeline
from regsearch.study.trials import Key, PlannedRun, Trial, answer

BATCH = 4
"""Cells asked at once, where the file does not say: enough for a pack, few enough to learn from."""

Form = Callable[[Sequence[PlannedRun]], list[Pack]]
"""How runs are packed."""


class Learner:
    """Asks the strategy of each combination of levels in turn, and tells it what is recorded.

    It is made anew at every start from the records alone. ``asked``, a note of the trials that
    were in training when the study was interrupted, lets them go on from their checkpoints; where
    it is missing, others are asked for in their place. ``folder`` is the study's.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        records: Iterable[Record] = (),
        asked: Iterable[dict[str, Any]] = (),
        folder: Path | None = None,
    ) -> None:
        search, self._at = pipeline.search, pipeline.metric.at
        self._goals = search.goals(pipeline.metric.name, pipeline.metric.goal)
        self._trials = trials_of(pipeline)
        self._strategies = self._make_strategies(pipeline, folder)
        scheduled = pipeline.scheduler.type != "fifo"
        self._batch: int = getattr(search, "batch", None) or (1 if scheduled else BATCH)
        self._records: dict[str, Record] = {}  # of trials that are not whole yet
        self._open: dict[Key, Trial] = {}
        self._turn = 0
        for record in records:
            self._hear(record)
        self._waiting = self._taken_up(asked)
        self._packs: deque[Pack] = deque()

    def _make_strategies(self, pipeline: Pipeline, folder: Path | None) -> list[Strategy]:
        algorithm = ALGORITHMS[pipeline.search.algorithm]
        if not isinstance(algorithm, Learned):
            raise TypeError(f"{pipeline.search.algorithm} knows its cells beforehand")
        space = Space(pipeline.search_space.regularizers)
        seeds, names = tuple(pipeline.seeds), self._trials.names(pipeline.name)
        scopes = (Scope(space, self._goals, seeds, n, name, folder) for n, name in enumerate(names))
        return [algorithm.strategy(scope, pipeline.search) for scope in scopes]

    def _taken_up(self, asked: Iterable[dict[str, Any]]) -> list[Trial]:
        """The trials that were begun, to be trained before others are asked for."""
        noted = (self._trials.find(task) for task in asked)
        for trial in noted:
            if trial is not None and not self._strategy(trial).knows(trial.candidate):
                self._open.setdefault(trial.key, trial)
        for trial in self._open.values():
            self._strategy(trial).take_up(trial.candidate)
        return list(self._open.values())

    def pack_with(self, form: Form, note: Callable[[list[dict[str, Any]]], None]) -> None:
        """Say how runs are packed, and where the tasks in training are noted."""
        self._form, self._note = form, note

    def next(self) -> Pack | None:
        """The next pack: of trials that were begun, then of those that are asked for."""
        while not self._packs:
            trials, self._waiting = self._waiting or self._ask(), []
            if not trials:
                return None
            missing = [run for t in trials for run in t.runs if run.run not in self._records]
            self._packs.extend(self._form(missing))
        return self._packs.popleft()

    def _ask(self) -> list[Trial]:
        """A batch of one of the strategies that have one, each in its turn."""
        for _ in self._strategies:
            combination = self._turn
            self._turn = (self._turn + 1) % len(self._strategies)
            asked = self._strategies[combination].ask(self._batch)
            if asked:
                trials = [self._trials.make(combination, candidate) for candidate in asked]
                self._open |= {trial.key: trial for trial in trials}
                self._note([trial.runs[0].task.content() for trial in self._open.values()])
                return trials
        return []

    @property
    def done(self) -> bool:
        """True once nothing will be asked any more, and all that was is handed out."""
        asked = all(strategy.done for strategy in self._strategies)
        return asked and not (self._waiting or self._packs)

    @property
    def complete(self) -> bool:
        """True once all that will ever be asked is recorded."""
        return self.done and not self._open

    def hear(self, records: Sequence[Record]) -> None:
        """Tell the strategies of the trials that are whole now."""
        for record in records:
            self._hear(record)

    def _hear(self, record: Record) -> None:
        trial = self._trials.find(record.task)
        if trial is None:
            return
        self._open.setdefault(trial.key, trial)
        self._records[record.run] = record
        if all(run.run in self._records for run in trial.runs):
            del self._open[trial.key]
            whole = [self._records.pop(run.run) for run in trial.runs]
            told = answer(whole, self._goals, self._at)
            self._strategy(trial).tell(trial.candidate, told)

    def _strategy(self, trial: Trial) -> Strategy:
        return self._strategies[trial.combination]
