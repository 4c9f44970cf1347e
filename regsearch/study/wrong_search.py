"""What a search and a scheduler do not agree on with the rest of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from regsearch.mistakes import find
from regsearch.registry import nearest
from regsearch.study.domains import Searched, no_grid
from regsearch.study.problems import Problem
from regsearch.study.schedulers import AsyncHyperBand, HyperBand, Scheduling
from regsearch.study.search import ALGORITHMS, Learned
from regsearch.study.search.space import Space
from regsearch.study.settings import Metric, quantities
from regsearch.study.together import wrong_metric
from regsearch.study.wrong_populations import wrong_population

if TYPE_CHECKING:
    from regsearch.study.spec import Pipeline


def wrong_search(pipeline: Pipeline, raw: Mapping[str, Any]) -> list[Problem]:
    """All such problems; ``raw`` is the content of the file, for their places."""
    problems = [*_wrong_aggregate(pipeline), *_wrong_objectives(pipeline), *_wrong_budget(pipeline)]
    problems += wrong_scheduler(pipeline.scheduler, pipeline.metric, _longest(pipeline))
    problems += wrong_population(pipeline, _longest(pipeline))
    entries = pipeline.search_space.regularizers
    if pipeline.search.algorithm == "grid":
        laws = list(_distributions(entries, raw))
        if laws:
            return problems + laws
    algorithm = ALGORITHMS[pipeline.search.algorithm]
    for where, text in algorithm.misfits(Space(entries), pipeline.search):
        problems.append((("search", *where), text))
    if isinstance(algorithm, Learned) and algorithm.by_seed and pipeline.scheduler.type != "fifo":
        told = f"{pipeline.search.algorithm} compares runs that were trained to the end"
        problems.append((("scheduler", "type"), f"stops runs early, and {told}; leave it out"))
    return problems


def wrong_scheduler(scheduler: Scheduling, metric: Metric, epochs: int) -> list[Problem]:
    """Problems of a scheduler of runs of ``epochs`` that are judged by ``metric``."""
    if scheduler.type == "fifo":
        return []
    problems: list[Problem] = []
    if metric.name not in quantities():
        problems.append(
            (
                ("metric", "name"),
                f"{metric.name} is not measured after every epoch, which {scheduler.type} needs; "
                "name another, or leave the scheduler out",
            )
        )
    if isinstance(scheduler, AsyncHyperBand | HyperBand):
        problems += _wrong_end(scheduler, epochs)
    return problems


def _wrong_end(scheduler: AsyncHyperBand | HyperBand, epochs: int) -> Iterator[Problem]:
    """Problems of when a trial is done, in epochs or in seconds."""
    in_epochs = scheduler.time_attr == "training_iteration"
    end, unit = scheduler.max_t, "epochs" if in_epochs else "seconds"
    if end is None and not in_epochs:
        yield ("scheduler", "max_t"), "is missing; in seconds it has no default"
        return
    end = end or epochs
    if in_epochs and end > epochs:
        told = f"{end} is never reached, as train.epochs is {epochs}; leave it out"
        yield ("scheduler", "max_t"), told
    if in_epochs and end < epochs:
        told = f"{end} would stop every run before its end, train.epochs = {epochs}; leave it out, "
        yield ("scheduler", "max_t"), f"{told}or train for {end} epochs"
    if isinstance(scheduler, AsyncHyperBand) and scheduler.grace_period > end:
        told = f"{scheduler.grace_period} is past the end of a trial, {end} {unit}"
        yield ("scheduler", "grace_period"), told


def _longest(pipeline: Pipeline) -> int:
    whole = [train["epochs"] for train in pipeline.factors.get("train", []) if "epochs" in train]
    levels = [*pipeline.factors.get("train.epochs", []), *whole]
    return max([pipeline.train.epochs, *(n for n in levels if isinstance(n, int))])


def _distributions(entries: list[list[Searched]], raw: Mapping[str, Any]) -> Iterator[Problem]:
    for index, entry in enumerate(entries):
        for number, searched in enumerate(entry):
            for name, domain in searched.axes().items():
                if not isinstance(domain, list):
                    loc = ("search_space", "regularizers", index, number, name)
                    yield find(raw, loc), no_grid(domain.written())


def _wrong_aggregate(pipeline: Pipeline) -> Iterator[Problem]:
    for number, path in enumerate(pipeline.search.aggregate):
        if path not in pipeline.factors:
            known = ", ".join(pipeline.factors) or "none"
            yield (
                ("search", "aggregate", number),
                f"no factor {path!r}.{nearest(path, pipeline.factors)} Known: {known}",
            )


def _wrong_objectives(pipeline: Pipeline) -> Iterator[Problem]:
    goals = pipeline.search.goals(pipeline.metric.name, pipeline.metric.goal)
    for name, goal in goals.items():
        if name == pipeline.metric.name:
            continue
        metric = pipeline.metric.model_copy(update={"name": name, "goal": goal})
        for where, text in wrong_metric(metric, pipeline.dataset, pipeline.train, pipeline.measure):
            if where == ("metric", "name"):
                yield ("search", "objectives", name), text


def _wrong_budget(pipeline: Pipeline) -> Iterator[Problem]:
    if pipeline.budget.gpu_hours is not None and not pipeline.resources_per_trial.gpu:
        yield (
            ("budget", "gpu_hours"),
            "counts nothing while resources_per_trial.gpu is 0; reserve a GPU, or write "
            "time_budget_s",
        )
