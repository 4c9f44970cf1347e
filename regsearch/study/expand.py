"""From a pipeline to its runs: every setting x factor level x seed, named by what it is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from regsearch.errors import PolicyError
from regsearch.mistakes import show
from regsearch.regularizers import REGULARIZERS
from regsearch.space import Kind
from regsearch.study.coarse_to_fine import coarse_to_fine
from regsearch.study.domains import Searched
from regsearch.study.factors import crossed, with_levels, without
from regsearch.study.problems import Problem, explain
from regsearch.study.spec import Parts, Pipeline
from regsearch.study.together import wrong_quantized, wrong_rates, wrong_training
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


def expand(pipeline: Pipeline) -> list[PlannedRun]:
    """List the runs of a pipeline, coarse to fine, the levels and seeds of a setting together.

    The corners of every grid come first, then its middles, then its quarters, so that a study
    that is half done already shows its whole plane. Runs that two entries both ask for come once.

    Raises:
        PolicyError: more runs than ``limits.max_runs``; found by arithmetic, nothing is listed.
        SpecError: a combination of values that a regularizer, or a run, does not accept.
        DataError: a data set whose content identifies a run cannot be read.
    """
    _refuse_too_many(pipeline)
    designs, settings = _designs(pipeline), _settings(pipeline)
    problems = wrong_quantized(pipeline.metric, (setting for _, setting in settings))
    problems += wrong_rates(settings, (design.task.train.optimizer for design in designs))
    if problems:
        raise pipeline.error(problems)
    runs: dict[str, PlannedRun] = {}
    for entry, setting in settings:
        regularizers = [config.model_dump(mode="json") for config in setting]
        for design in designs:
            content = design.content | {"regularizers": regularizers}
            cell = digest(content)
            for seed in pipeline.seeds:
                run = digest(content | {"seed": seed})
                task = design.task.model_copy(update={"regularizers": list(setting), "seed": seed})
                runs.setdefault(run, PlannedRun(run, cell, task, design.levels, entry))
    return list(runs.values())


def count_runs(pipeline: Pipeline) -> int:
    """Number of runs by arithmetic, without listing them; those asked for twice count twice."""
    settings = sum(
        math.prod(len(values) for regularizer in entry for values in regularizer.axes().values())
        for entry in pipeline.search_space.regularizers
    )
    levels = math.prod(len(values) for values in pipeline.factors.values())
    return settings * levels * len(pipeline.seeds)


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


class _Design(NamedTuple):
    """One combination of factor levels: a task that lacks regularizers and seed."""

    levels: dict[str, Any]
    task: Task
    content: dict[str, Any]  # without regularizers and seed


def _designs(pipeline: Pipeline) -> list[_Design]:
    written = pipeline.model_dump(mode="json", include=set(Parts.model_fields), exclude_unset=True)
    designs: list[_Design] = []
    wrong: list[Problem] = []
    for chosen in crossed(pipeline.factors):
        content = with_levels(written, chosen)
        problems: list[Problem] = []
        try:
            parts = Parts.model_validate_json(json.dumps(content))
            problems = wrong_training(parts.dataset, parts.train)
            designs.append(_design(parts, list(chosen)))
        except ValidationError as failed:
            problems = explain(failed, Parts, content)
        what = ", ".join(f"{path} = {json.dumps(level)}" for path, level in chosen.items())
        wrong += [
            (("factors",), f"with {what}: {text}") if chosen else (where, text)
            for where, text in problems
        ]
    if wrong:
        raise pipeline.error(wrong)
    return designs


def _design(parts: Parts, paths: list[str]) -> _Design:
    task = Task(
        dataset=parts.dataset,
        model=parts.model,
        train=parts.train,
        measure=parts.measure,
        regularizers=[],
        seed=0,
    )
    content = task.content()
    settled = task.model_dump(mode="json")
    levels = {path: _at(settled, path) for path in paths}
    return _Design(levels, task, without(content, ["regularizers", "seed"]))


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[step]
    return value


class Setting(NamedTuple):
    """Regularizers applied together, every hyper-parameter settled, and the entry they are of."""

    entry: int
    regularizers: tuple[Kind, ...]


def _settings(pipeline: Pipeline) -> list[Setting]:
    """All points of the search space, the coarsest of every entry first."""
    levelled: list[tuple[int, Setting]] = []
    problems: list[Problem] = []
    for index, entry in enumerate(pipeline.search_space.regularizers):
        grids = [regularizer.axes() for regularizer in entry]
        lengths = [len(values) for grid in grids for values in grid.values()]
        for level, point in coarse_to_fine(lengths):
            try:
                levelled.append((level, Setting(index, _settle(entry, grids, point))))
            except ValidationError as failed:
                where = ("search_space", "regularizers", index)
                problems += [(where, text) for text in _misfits(failed)]
    if problems:
        raise pipeline.error(problems)
    return [setting for _, setting in sorted(levelled, key=lambda pair: pair[0])]


def _settle(
    entry: Sequence[Searched], grids: Sequence[dict[str, list[Any]]], point: Sequence[int]
) -> tuple[Kind, ...]:
    indices = iter(point)
    return tuple(
        REGULARIZERS[regularizer.kind].config(
            kind=regularizer.kind,
            **{name: values[next(indices)] for name, values in grid.items()},
        )
        for regularizer, grid in zip(entry, grids, strict=True)
    )


def _misfits(failed: ValidationError) -> list[str]:
    """Each value was accepted before, so it is their combination that is refused."""
    return [
        f"{show(error['input'])} does not go together: "
        + str(error.get("ctx", {}).get("error", error["msg"]))
        for error in failed.errors(include_url=False)
    ]
