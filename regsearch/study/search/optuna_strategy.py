"""Optuna by ask and tell: a study in memory, made anew from the records at every start."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from pydantic import ValidationError

from regsearch.study.search._base import Answer, Candidate, Scope
from regsearch.study.search.optuna_copy import Copy
from regsearch.study.search.optuna_parameters import Parameters
from regsearch.study.search.optuna_samplers import make_sampler, notes
from regsearch.study.search.optuna_search import OptunaSearch
from regsearch.study.search.space import Point, Setting

REPEATS = 20
"""Proposals in a row that are known already; after so many a new point is taken instead."""

STATES = {
    "completed": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}

P = ParamSpec("P")
R = TypeVar("R")


def _quietly(call: Callable[P, R]) -> Callable[P, R]:
    """Let Optuna say nothing: neither that a study is in memory, nor that a sampler is new."""

    @wraps(call)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> R:
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return call(*args, **kwargs)
        finally:
            optuna.logging.set_verbosity(before)

    return quiet


class OptunaStrategy:
    """One of Optuna's samplers over a search space.

    A point that is proposed again is answered with what is known of it and asked no more. A cell
    of which a run diverged counts as completed with the worst value there is, so that a sampler
    learns to keep away; one that a scheduler stopped as pruned, with its values so far; one that
    failed as failed, of which a sampler learns nothing.
    """

    @_quietly
    def __init__(self, scope: Scope, config: OptunaSearch) -> None:
        self._space, self._config = scope.space, config
        self._parameters = Parameters(scope.space)
        self._study = optuna.create_study(directions=list(scope.goals.values()))
        self._copy = Copy(scope)
        self._open: dict[str, Trial] = {}
        self._told: dict[str, Answer] = {}
        self._earlier: list[FrozenTrial] = []
        self._asked, self._exhausted = False, False
        self._start = [self._space.settle(self._space.place(written)) for written in config.start]

    @property
    def done(self) -> bool:
        """True once there are as many cells as wanted, or as there are."""
        return self._exhausted or len(self._told) + len(self._open) >= self._config.cells

    def knows(self, candidate: Candidate) -> bool:
        """Whether ``candidate`` was told."""
        return candidate.setting.key in self._told

    @_quietly
    def ask(self, count: int) -> list[Candidate]:
        """New settings; none once all is asked."""
        self._asked = True
        asked: list[Candidate] = []
        while len(asked) < count and not self.done:
            setting = self._next_start() or self._proposed() or self._untried()
            if setting is None:
                self._exhausted = True
            else:
                asked.append(Candidate(setting))
        return asked

    @_quietly
    def take_up(self, candidate: Candidate) -> None:
        """Count ``candidate`` as asked."""
        self._take_up(candidate.setting)

    def _take_up(self, setting: Setting) -> None:
        point = self._space.find(setting.content)
        if point is not None and setting.key not in self._open:
            self._open[setting.key] = self._enqueued(point)

    @_quietly
    def tell(self, candidate: Candidate, answer: Answer) -> None:
        """Add what came out of ``candidate``."""
        setting = candidate.setting
        point = self._space.find(setting.content)
        if point is None:
            return
        trial = self._open.pop(setting.key, None)
        if trial is None:
            self._study.add_trial(self._frozen(point, answer))
            if not self._asked and answer.ended == "completed":
                self._earlier.append(self._frozen(point, answer))
        else:
            self._tell(trial, answer)
        self._told[setting.key] = answer
        self._copy.add(self._frozen(point, answer))

    def _next_start(self) -> Setting | None:
        while self._start:
            setting = self._start.pop(0)
            if setting.key not in self._told and setting.key not in self._open:
                self._take_up(setting)
                return setting
        return None

    def _proposed(self) -> Setting | None:
        """What the sampler proposes; ``None`` if it keeps proposing what is known."""
        counts_itself = self._config.sampler.kind in ("qmc", "grid")
        patience = REPEATS + (len(self._told) if counts_itself else 0)
        for _ in range(patience):
            trial, point = self._ask(self._sampler())
            setting = self._settle(point)
            if setting is None or setting.key in self._open:
                self._study.tell(trial, state=TrialState.FAIL)
            elif setting.key in self._told:
                self._tell(trial, self._told[setting.key])
            else:
                self._open[setting.key] = trial
                return setting
        return None

    def _ask(self, sampler: optuna.samplers.BaseSampler) -> tuple[Trial, Point]:
        """What ``sampler`` proposes; it is let go before a trial is told, when some would stop."""
        self._study.sampler = sampler
        trial = self._study.ask()
        point = self._parameters.suggest(trial)
        self._study.sampler = optuna.samplers.RandomSampler()
        return trial, point

    def _sampler(self) -> optuna.samplers.BaseSampler:
        return make_sampler(
            self._config.sampler,
            len(self._study.get_trials(deepcopy=False)),
            seed=self._config.seed,
            grid=self._parameters.grid(),
            several_entries=self._parameters.conditional,
            earlier=self._earlier,
        )

    def _untried(self) -> Setting | None:
        """A point that was never asked: drawn at random, or the next one in order."""
        shares = np.random.default_rng([self._config.seed, len(self._told)])
        for point in itertools.chain(self._drawn(shares), self._space.points()):
            setting = self._settle(point)
            if setting and setting.key not in self._told and setting.key not in self._open:
                self._take_up(setting)
                return setting
        return None

    def _drawn(self, shares: np.random.Generator) -> Iterator[Point]:
        for _ in range(REPEATS):
            entry = self._space.entries[shares.integers(len(self._space.entries))]
            yield entry.at(shares.random(len(entry.axes)).tolist())

    def _settle(self, point: Point) -> Setting | None:
        """``None`` where the regularizer refuses the combination of values."""
        try:
            return self._space.settle(point)
        except ValidationError:
            return None

    def _enqueued(self, point: Point) -> Trial:
        self._study.enqueue_trial(self._parameters.values(point))
        return self._ask(optuna.samplers.RandomSampler())[0]

    def _tell(self, trial: Trial, answer: Answer) -> None:
        if answer.ended == "completed":
            self._study.tell(trial, list(answer.values))
            return
        if answer.ended == "stopped" and len(self._study.directions) == 1:
            for epoch, value in enumerate(answer.path, 1):
                trial.report(value, epoch)
        self._study.tell(trial, state=STATES[answer.ended])

    def _frozen(self, point: Point, answer: Answer) -> FrozenTrial:
        """A finished trial; it is complete, for a sampler, as if it had been asked."""
        stopped = answer.ended == "stopped"
        position = len(self._study.get_trials(deepcopy=False))
        several = len(self._study.directions) > 1
        path: dict[int, Any] = dict(enumerate(answer.path, 1)) if stopped and not several else {}
        return create_trial(
            state=STATES[answer.ended],
            params=self._parameters.values(point),
            distributions=self._parameters.laws(point),
            values=list(answer.values) if answer.ended == "completed" else None,
            intermediate_values=path,
            system_attrs=notes(self._config.sampler, position),
        )
