"""From a pipeline to its runs: every setting x factor level x seed, named by what it is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from regsearch.errors import PolicyError, SpecError
from regsearch.regularizers import REGULARIZERS
from regsearch.space import Kind
from regsearch.study.coarse_to_fine import coarse_to_fine
from regsearch.study.domains import Searched
from regsearch.study.factors import crossed, with_levels, without
from regsearch.study.problems import explain, show
from regsearch.study.sources import MAX_PROBLEMS
from regsearch.study.spec import Parts, Pipeline
from regsearch.study.together import wrong_quantized
from regsearch.train.task import Task, digest


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run to be trained.

    ``run`` is the hash of the task's content, ``cell`` the same without the seed; neither depends
    on the order of keys, on files, on the study or on the machine. ``factors`` holds the levels
    that were chosen, by path.
    """

    run: str
    cell: str
    task: Task
    factors: Mapping[str, Any]


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
    if problems := wrong_quantized(pipeline.metric, settings):
        raise SpecError([pipeline.problem(where, text) for where, text in problems])
    runs: dict[str, PlannedRun] = {}
    for setting in settings:
        regularizers = [entry.model_dump(mode="json") for entry in setting]
        for design in designs:
            content = design.content | {"regularizers": regularizers}
            cell = digest(content)
            for seed in pipeline.seeds:
                run = digest(content | {"seed": seed})
                task = design.task.model_copy(update={"regularizers": list(setting), "seed": seed})
                runs.setdefault(run, PlannedRun(run, cell, task, design.levels))
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
    written = pipeline.model_dump(
        mode="json", include={"dataset", "model", "train"}, exclude_unset=True
    )
    designs = []
    for chosen in crossed(pipeline.factors):
        content = with_levels(written, chosen)
        try:
            parts = Parts.model_validate_json(json.dumps(content))
        except ValidationError as failed:
            what = ", ".join(f"{path} = {json.dumps(level)}" for path, level in chosen.items())
            raise SpecError(
                [
                    pipeline.problem(("factors",), f"with {what}: {message}")
                    for _, message in explain(failed, Parts, content)
                ]
            ) from None
        designs.append(_design(parts, list(chosen)))
    return designs


def _design(parts: Parts, paths: list[str]) -> _Design:
    task = Task(
        dataset=parts.dataset, model=parts.model, train=parts.train, regularizers=[], seed=0
    )
    content = task.content()
    settled = task.model_dump(mode="json")
    levels = {path: _at(settled, path) for path in paths}
    return _Design(levels, task, without(content, ["regularizers", "seed"]))


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[step]
    return value


Setting = tuple[Kind, ...]
"""Regularizers applied together, every hyper-parameter settled."""


def _settings(pipeline: Pipeline) -> list[Setting]:
    """All points of the search space, the coarsest of every entry first."""
    levelled: list[tuple[int, Setting]] = []
    problems: list[str] = []
    for index, entry in enumerate(pipeline.search_space.regularizers):
        grids = [regularizer.axes() for regularizer in entry]
        lengths = [len(values) for grid in grids for values in grid.values()]
        for level, point in coarse_to_fine(lengths):
            try:
                levelled.append((level, _settle(entry, grids, point)))
            except ValidationError as failed:
                where = ("search_space", "regularizers", index)
                problems += [pipeline.problem(where, text) for text in _misfits(failed)]
    if problems:
        raise SpecError(problems[:MAX_PROBLEMS])
    return [setting for _, setting in sorted(levelled, key=lambda pair: pair[0])]


def _settle(
    entry: Sequence[Searched], grids: Sequence[dict[str, list[Any]]], point: Sequence[int]
) -> Setting:
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
