"""Populations: trials that copy one another while they train, under Ray's PBT and PB2.

What becomes of a member depends on all of them, so that a run's identity holds its population's.
A copy takes over weights, and judging needs the same data: a population are the settings of one
entry and of one structure, under one combination of factor levels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from regsearch.space import per_run_fields
from regsearch.study.designs import Design
from regsearch.study.schedulers import Population
from regsearch.study.search.space import Setting, Space
from regsearch.study.spec import Pipeline
from regsearch.study.trials import Trials
from regsearch.train.task import digest

SMALLEST = 2
"""Members that a population needs."""


def in_populations(
    pipeline: Pipeline, designs: Sequence[Design], settings: Sequence[Setting]
) -> list[tuple[Setting, Sequence[Design]]]:
    """Each setting with the designs under which it is trained, the populations noted in them.

    Under other schedulers there is none; nor where nothing can change while a run trains, or where
    there is nobody to copy: such settings are trained as they are.

    Raises:
        SpecError: all settings are such.
    """
    if not isinstance(pipeline.scheduler, Population):
        return [(setting, designs) for setting in settings]
    space = Space(pipeline.search_space.regularizers)
    combinations = Trials(designs, space, pipeline.seeds, pipeline.search.aggregate).combinations
    members: dict[str, dict[str, Setting]] = {}
    for setting in settings:
        members.setdefault(_alike(setting), {})[setting.key] = setting
    named = {
        alike: [
            _noted(design, digest([_rules(pipeline), sorted(several), _contents(combination)]))
            for combination in combinations
            for design in combination
        ]
        for alike, several in members.items()
        if len(several) >= SMALLEST and space.entries[_entry(several)].real_axes
    }
    if not named:
        told = (
            f"{pipeline.scheduler.type} finds nobody to copy: it needs {SMALLEST} cells or more of "
            "one entry of the search space in which a number varies"
        )
        raise pipeline.error([(("scheduler", "type"), told)])
    return [(setting, named.get(_alike(setting), designs)) for setting in settings]


def _alike(setting: Setting) -> str:
    """Equal for settings that may be in one population."""
    structure = [
        config.model_dump(mode="json", exclude=set(per_run_fields(type(config))))
        for config in setting.regularizers
    ]
    return json.dumps([setting.entry, structure], sort_keys=True)


def _entry(members: dict[str, Setting]) -> int:
    return next(iter(members.values())).entry


def _rules(pipeline: Pipeline) -> list[object]:
    """What decides who is copied."""
    return [
        pipeline.scheduler.model_dump(mode="json"),
        pipeline.metric.model_dump(mode="json"),
        sorted(pipeline.seeds),
    ]


def _contents(combination: Sequence[Design]) -> list[object]:
    return [design.content for design in combination]


def _noted(design: Design, population: str) -> Design:
    return Design(
        design.levels,
        design.task.model_copy(update={"population": population}),
        design.content | {"population": population},
    )
