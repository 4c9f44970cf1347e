"""Factors: values under ``dataset``, ``model`` or ``train`` that a study crosses, never tunes."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from regsearch.mistakes import Where, show
from regsearch.study.domains import choices, distinct
from regsearch.study.problems import Problem

PARTS = ("dataset", "model", "train")
"""The keys of a pipeline that a factor can lie in."""

Levels = dict[str, list[Any]]
"""The values of each factor, by its path, such as ``dataset.label_noise``."""


def read_levels(value: Mapping[str, Any]) -> tuple[Levels, list[Problem]]:
    """List the levels of every factor in a pipeline's content, and what is wrong with them."""
    levels: Levels = {}
    problems: list[Problem] = []
    factors = value.get("factors", {})
    for path, domain in factors.items() if isinstance(factors, dict) else ():
        if wrong := _misplaced(path, value, list(factors)):
            problems.append((("factors", path), wrong))
            continue
        with suppress(ValueError):  # the pipeline's own check of its factors says what is wrong
            levels[path] = distinct(choices(domain))
    return levels, problems


def with_levels(value: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a pipeline's content in which each factor has the level that was chosen."""
    parts = {name: value[name] for name in PARTS if name in value}
    changed: dict[str, Any] = dict(value) | copy.deepcopy(parts)
    for path, level in chosen.items():
        *parents, last = path.split(".")
        here: Any = changed
        for step in parents:
            here = here.setdefault(step, {}) if isinstance(here, dict) else None
        if isinstance(here, dict):
            here[last] = level
    return changed


def without(value: Mapping[str, Any], paths: list[str]) -> dict[str, Any]:
    """A copy of a pipeline's content in which the factors' places are empty."""
    changed = copy.deepcopy(dict(value))
    for path in paths:
        *parents, last = path.split(".")
        here = changed
        for step in parents:
            here = here[step]
        del here[last]
    return changed


def one_by_one(levels: Levels) -> Iterator[dict[str, Any]]:
    """The first level of each factor, then every other level once: enough to check them all."""
    first = {path: values[0] for path, values in levels.items()}
    yield first
    for path, values in levels.items():
        for level in values[1:]:
            yield first | {path: level}


def crossed(levels: Levels) -> Iterator[dict[str, Any]]:
    """Every combination of levels, the last factor varying fastest."""
    for combination in itertools.product(*levels.values()):
        yield dict(zip(levels, combination, strict=True))


def written_at(
    where: Where, levels: Levels, chosen: Mapping[str, Any], *, as_key: bool = False
) -> Where:
    """Where the value (or key) at ``where`` was written: in ``factors``, if it is a level."""
    for path, level in chosen.items():
        steps = tuple(path.split("."))
        if where[: len(steps)] == steps:
            rest = where[len(steps) :]
            if as_key and not rest:
                return ("factors", path)
            return ("factors", path, levels[path].index(level), *rest)
    return where


def _misplaced(path: str, value: Mapping[str, Any], paths: list[str]) -> str:
    """What is wrong with the place of a factor; empty if nothing is."""
    steps = path.split(".")
    if steps[0] not in PARTS or "" in steps:
        return (
            "needs a path that starts with dataset, model or train, such as dataset.label_noise; "
            "regularizers and their values are written in the search space"
        )
    for other in paths:
        if path.startswith(f"{other}."):
            return f"lies within the factor {other}; write both in one"
    here: Any = value
    for step in steps:
        here = here.get(step) if isinstance(here, dict) else None
    if here is not None:
        return f"is also fixed, to {show(here)}, under {steps[0]}; remove one of the two"
    return ""
