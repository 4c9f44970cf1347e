"""From a pipeline to its runs: every setting x factor level x seed, named by what it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from regsearch.errors import PolicyError
from regsearch.mistakes import show
from regsearch.study.designs import list_designs
from regsearch.study.populations import in_populations
from regsearch.study.problems import Problem
from regsearch.study.search import ALGORITHMS, Learned
from regsearch.study.search.space import Point, Setting, Space
from regsearch.study.spec import Pipeline
from regsearch.study.together import wrong_quantized, wrong_rates
from regsearch.study.trials import PlannedRun, Trials, planned_runs
from regsearch.train.task import digest

__all__ = ["PlannedRun", "count_runs", "examples", "expand", "is_open", "trials_of"]

MAX_LISTED = 20_000
"""Points of a discrete space that are checked one by one to count those that can be trained."""


def expand(pipeline: Pipeline, recorded: Iterable[Mapping[str, Any]] = ()) -> list[PlannedRun]:
    """List the runs of a pipeline, coarse to fine, the levels and seeds of a setting together.

    The corners of every grid come first, then its middles, then its quarters, so that a study
    that is half done already shows its whole plane. Runs that two entries both ask for come once.
    Under a search that learns, the runs of all trials of which something is ``recorded``, tasks of
    records: what else it will ask for is not known yet.

    Raises:
        PolicyError: more runs than ``limits.max_runs``; found by arithmetic, nothing is listed.
        SpecError: a combination of values that a regularizer, or a run, does not accept.
        DataError: a data set whose content identifies a run cannot be read.
    """
    _refuse_too_many(pipeline)
    algorithm = ALGORITHMS[pipeline.search.algorithm]
    if isinstance(algorithm, Learned):
        trials = trials_of(pipeline)
        found = {trial.key: trial for task in recorded if (trial := trials.find(task))}
        return [run for trial in found.values() for run in trial.runs]
    points = algorithm.points(_space(pipeline), pipeline.search)
    return _runs(pipeline, points, pipeline.seeds)


def unasked(pipeline: Pipeline, asked: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Runs of a declared grid that a search by seed has left out; none of any other search."""
    algorithm = ALGORITHMS[pipeline.search.algorithm]
    if not (isinstance(algorithm, Learned) and algorithm.by_seed):
        return []
    known = {run.run for run in asked}
    designs, settings = list_designs(pipeline), _sound_settings(_space(pipeline))
    runs = (run for s in settings for run in planned_runs(s, designs, pipeline.seeds))
    return [run for run in runs if run.run not in known]


def examples(pipeline: Pipeline) -> list[PlannedRun]:
    """One run for each value that a search which learns may try, or for each kind of value.

    Raises:
        PolicyError, SpecError, DataError: as ``expand``.
    """
    _refuse_too_many(pipeline)
    return _runs(pipeline, _space(pipeline).examples(), pipeline.seeds[:1])


def is_open(pipeline: Pipeline) -> bool:
    """Whether the cells are not known before others are in."""
    return isinstance(ALGORITHMS[pipeline.search.algorithm], Learned)


def trials_of(pipeline: Pipeline) -> Trials:
    """What may be tried; raises as ``expand``."""
    search, algorithm = pipeline.search, ALGORITHMS[pipeline.search.algorithm]
    by_seed = isinstance(algorithm, Learned) and algorithm.by_seed
    designs, space = list_designs(pipeline), _space(pipeline)
    return Trials(designs, space, pipeline.seeds, search.aggregate, by_seed)


def count_runs(pipeline: Pipeline) -> int:
    """Number of runs by arithmetic, without listing them; those asked for twice count twice.

    Under a search that draws or chooses, at most so many.
    """
    levels = math.prod(len(values) for values in pipeline.factors.values())
    runs = count_settings(pipeline) * len(pipeline.seeds)
    return min(runs, getattr(pipeline.search, "runs", runs)) * levels


def count_cells(pipeline: Pipeline) -> int:
    """Number of cells, as ``count_runs``."""
    levels = math.prod(len(values) for values in pipeline.factors.values())
    return min(count_settings(pipeline) * levels, count_runs(pipeline))


def count_settings(pipeline: Pipeline) -> int:
    """Number of settings under each combination of levels, at most."""
    space = _space(pipeline)
    wanted: int | None = getattr(pipeline.search, "cells", None)
    if space.size is None or wanted is None or wanted < space.size:
        return wanted or space.size or 0
    return _count_sound(space) if space.size <= MAX_LISTED else space.size


def _count_sound(space: Space) -> int:
    """Points of a discrete space that no regularizer refuses, equal ones counted once."""
    return len({setting.key for setting in _sound_settings(space)})


def _sound_settings(space: Space) -> Iterator[Setting]:
    """Those of a discrete space that no regularizer refuses."""
    for point in space.points():
        with suppress(ValidationError):
            yield space.settle(point)


def _space(pipeline: Pipeline) -> Space:
    return Space(pipeline.search_space.regularizers)


def _refuse_too_many(pipeline: Pipeline) -> None:
    count, limit = count_runs(pipeline), pipeline.limits.max_runs
    if count > limit:
        raise PolicyError(
            pipeline.problem(
                ("search_space",),
                f"asks for {count:,} runs, more than limits.max_runs = {limit:,}; "
                "make a grid coarser, or raise the limit",
            )
        )


def _refuse_mixed(pipeline: Pipeline) -> None:
    """A scheduler judges a trial while it trains, which takes one pack: runs of one structure."""
    if pipeline.scheduler.type == "fifo":
        return
    for designs in trials_of(pipeline).combinations:
        if len({digest(design.task.structure()) for design in designs}) > 1:
            told = (
                f"a cell is trained as one pack under {pipeline.scheduler.type}, and these factors "
                "make runs that no pack can hold together; average over others, or over none"
            )
            raise pipeline.error([(("search", "aggregate"), told)])


def _runs(pipeline: Pipeline, points: Iterable[Point], seeds: list[int]) -> list[PlannedRun]:
    designs, settings = list_designs(pipeline), _settings(pipeline, points)
    _refuse_mixed(pipeline)
    problems = wrong_quantized(pipeline.metric, (setting for _, setting in settings))
    problems += wrong_rates(settings, (design.task.train.optimizer for design in designs))
    if problems:
        raise pipeline.error(problems)
    runs: dict[str, PlannedRun] = {}
    for setting, under in in_populations(pipeline, designs, settings):
        for run in planned_runs(setting, under, seeds):
            runs.setdefault(run.run, run)
    return list(runs.values())


def _settings(pipeline: Pipeline, points: Iterable[Point]) -> list[Setting]:
    settings: list[Setting] = []
    problems: list[Problem] = []
    space = _space(pipeline)
    for point in points:
        try:
            settings.append(space.settle(point))
        except ValidationError as failed:
            where = ("search_space", "regularizers", point.entry)
            problems += [(where, text) for text in _misfits(failed)]
    if problems:
        raise pipeline.error(problems)
    return settings


def _misfits(failed: ValidationError) -> list[str]:
    """Each value was accepted before, so it is their combination that is refused."""
    return [
        f"{show(error['input'])} does not go together: "
        + str(error.get("ctx", {}).get("error", error["msg"]))
        for error in failed.errors(include_url=False)
    ]
