"""What a run is apart from its regularizers and its seed: one design per combination of levels."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pydantic import ValidationError

from regsearch.study.factors import crossed, with_levels, without
from regsearch.study.problems import Problem, explain
from regsearch.study.spec import Parts, Pipeline
from regsearch.study.together import wrong_training
from regsearch.train.task import Task, digest


class Design(NamedTuple):
    """One combination of factor levels: a task that lacks regularizers and seed."""

    levels: dict[str, Any]
    task: Task
    content: dict[str, Any]  # without regularizers and seed


def list_designs(pipeline: Pipeline) -> list[Design]:
    """Every combination of factor levels, the last factor varying fastest.

    Combinations that make the same runs, as where a level writes out a default, come once.

    Raises:
        SpecError: one that a run does not accept.
        DataError: a data set whose content identifies a run cannot be read.
    """
    written = pipeline.model_dump(mode="json", include=set(Parts.model_fields), exclude_unset=True)
    designs: dict[str, Design] = {}
    wrong: list[Problem] = []
    for chosen in crossed(pipeline.factors):
        content = with_levels(written, chosen)
        problems: list[Problem] = []
        try:
            parts = Parts.model_validate_json(json.dumps(content))
            problems = wrong_training(parts.dataset, parts.train)
            design = _settled(parts, list(chosen))
            designs.setdefault(digest(design.content), design)
        except ValidationError as failed:
            problems = explain(failed, Parts, content)
        what = ", ".join(f"{path} = {json.dumps(level)}" for path, level in chosen.items())
        wrong += [
            (("factors",), f"with {what}: {text}") if chosen else (where, text)
            for where, text in problems
        ]
    if wrong:
        raise pipeline.error(wrong)
    return list(designs.values())


def _settled(parts: Parts, paths: list[str]) -> Design:
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
    return Design(levels, task, without(content, ["regularizers", "seed"]))


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[step]
    return value
