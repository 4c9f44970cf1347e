"""Trials: what a search judges as one, and what the records say of it.

A trial is a setting of the regularizers under one combination of factor levels: the runs of all
seeds, and of all levels of the factors that ``search.aggregate`` averages over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from regsearch.records import Record, Status
from regsearch.study.designs import Design
from regsearch.study.factors import without
from regsearch.study.search import Answer, Candidate, Direction, Goals
from regsearch.study.search.space import Setting, Space
from regsearch.train.summary import value_at
from regsearch.train.task import Task, digest


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run to be trained.

    ``run`` is the hash of the task's content, ``cell`` the same without the seed; neither depends
    on the order of keys, on files, on the study or on the machine. ``factors`` holds the levels
    that were chosen, by path; ``entry`` is the index of the search space's entry that asks for it.
    """

    run: str
    cell: str
    task: Task
    factors: Mapping[str, Any]
    entry: int


Key = tuple[int, str, int | None]
"""Of a trial: its combination of levels, its setting, and its seed, if it has not all."""


@dataclass(frozen=True)
class Trial:
    """A candidate under one combination of levels."""

    combination: int
    candidate: Candidate
    runs: tuple[PlannedRun, ...]

    @property
    def key(self) -> Key:
        """Equal for the same trial."""
        return self.combination, self.candidate.setting.key, self.candidate.seed


class Trials:
    """All trials that a pipeline may have."""

    def __init__(
        self,
        designs: Sequence[Design],
        space: Space,
        seeds: Sequence[int],
        aggregate: Sequence[str],
        by_seed: bool = False,
    ) -> None:
        """``by_seed``: whether each seed of a setting is a trial of its own."""
        self._space, self._seeds, self._by_seed = space, seeds, by_seed
        self._apart = {path for design in designs for path in design.levels} - set(aggregate)
        combined: dict[str, list[Design]] = {}
        for design in designs:
            apart = {path: v for path, v in design.levels.items() if path in self._apart}
            combined.setdefault(json.dumps(apart, sort_keys=True), []).append(design)
        self.combinations = list(combined.values())
        self._combination_of = {
            digest(design.content): index
            for index, members in enumerate(self.combinations)
            for design in members
        }
        self._made: dict[Key, Trial] = {}

    def names(self, study: str) -> list[str]:
        """A name for each combination: the study's, with the levels that tell them apart."""
        told = []
        for first, *_ in self.combinations:
            levels = (f"{p}={json.dumps(v)}" for p, v in first.levels.items() if p in self._apart)
            told.append(" ".join([study, *levels]))
        return told

    def make(self, combination: int, candidate: Candidate) -> Trial:
        """The trial of ``candidate`` under a combination; the same one each time."""
        setting, seed = candidate
        key = combination, setting.key, seed
        if key not in self._made:
            seeds = self._seeds if seed is None else [seed]
            runs = planned_runs(setting, self.combinations[combination], seeds)
            self._made[key] = Trial(combination, candidate, tuple(runs))
        return self._made[key]

    def find(self, task: Mapping[str, Any]) -> Trial | None:
        """The trial that a record's task is part of; ``None``: of none that this study may have."""
        design = digest(without(task, ["regularizers", "seed"]))
        combination = self._combination_of.get(design)
        point = self._space.find(task["regularizers"])
        if combination is None or point is None or task["seed"] not in self._seeds:
            return None
        seed = task["seed"] if self._by_seed else None
        try:
            return self.make(combination, Candidate(self._space.settle(point), seed))
        except ValidationError:
            return None


def planned_runs(
    setting: Setting, designs: Iterable[Design], seeds: Iterable[int]
) -> list[PlannedRun]:
    """The runs of a setting under each design, the seeds of a design together."""
    runs = []
    for design in designs:
        content = design.content | {"regularizers": setting.content}
        cell = digest(content)
        for seed in seeds:
            run = digest(content | {"seed": seed})
            update = {"regularizers": list(setting.regularizers), "seed": seed}
            task = design.task.model_copy(update=update)
            runs.append(PlannedRun(run, cell, task, design.levels, setting.entry))
    return runs


def by_trial(runs: Iterable[PlannedRun], aggregate: Sequence[str]) -> list[list[PlannedRun]]:
    """Runs of one trial together, in the order in which each comes first; populations whole."""
    trials: dict[str, list[PlannedRun]] = {}
    for run in runs:
        levels = {path: level for path, level in run.factors.items() if path not in aggregate}
        setting = Setting(run.entry, tuple(run.task.regularizers))
        trials.setdefault(json.dumps([levels, setting.key], sort_keys=True), []).append(run)
    return sorted(trials.values(), key=lambda runs: runs[0].task.population or "")


def answer(records: Sequence[Record], goals: Goals, at: str) -> Answer:
    """What the records of all runs of a trial come to: means over them.

    The worst there is where a run diverged, for a mean over the others would praise the setting;
    failed where a run failed, or has not measured an objective.
    """
    statuses = {record.status for record in records}
    if Status.FAILED in statuses:
        return Answer("failed")
    if Status.DIVERGED in statuses:
        return Answer("completed", tuple(worst(goal) for goal in goals.values()))
    first = next(iter(goals))
    if Status.STOPPED in statuses:
        return Answer("stopped", path=mean_path(records, first))
    curves = [record.curves for record in records]
    means = [mean_value(curves, name, at, goal) for name, goal in goals.items()]
    values = tuple(mean for mean in means if mean is not None)
    return Answer("completed", values) if len(values) == len(goals) else Answer("failed")


def worst(goal: str) -> float:
    """The value that no other is worse than."""
    return -math.inf if goal == "maximize" else math.inf


def mean_value(
    curves: Sequence[Mapping[str, Any]], name: str, at: str, goal: Direction
) -> float | None:
    """Mean over runs of a quantity at a moment, by the curves of each; ``None`` if one has none."""
    higher = goal == "maximize"
    values = [value_at(each[name], at, higher) if name in each else None for each in curves]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def mean_path(records: Sequence[Record], name: str) -> tuple[float, ...]:
    """Mean over runs after each epoch that all of them have."""
    curves = [record.curves[name] for record in records if name in record.curves]
    length = min((len(curve) for curve in curves), default=0)
    if len(curves) < len(records) or not length:
        return ()
    means = np.stack([curve[:length] for curve in curves]).mean(axis=0, dtype=np.float64)
    return tuple(map(float, means))
