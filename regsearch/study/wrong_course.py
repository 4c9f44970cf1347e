"""Hyper-parameters that a study lets change while runs train, and which it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from pydantic import ValidationError

from regsearch.mistakes import explain
from regsearch.registry import nearest
from regsearch.regularizers import REGULARIZERS
from regsearch.space import Kind, per_run_fields
from regsearch.study.domains import Searched
from regsearch.study.problems import Problem
from regsearch.study.search.space import Space
from regsearch.train.task import TrainConfig


def changeable(entries: Sequence[Sequence[Searched]]) -> list[str]:
    """Names of all hyper-parameters of a search space that are data of a pack."""
    kinds = dict.fromkeys(searched.kind for entry in entries for searched in entry)
    return [
        f"{kind}.{name}" for kind in kinds for name in per_run_fields(REGULARIZERS[kind].config)
    ]


def wrong_course(train: TrainConfig, entries: Sequence[Sequence[Searched]]) -> list[Problem]:
    """Changes that come too late, of what no entry has, or to what a regularizer refuses."""
    known, problems = changeable(entries), list[Problem]()
    for number, change in enumerate(train.course):
        place = ("train", "course", number)
        if change.epoch > train.epochs:
            told = f"{change.epoch} is never reached, as train.epochs is {train.epochs}"
            problems.append(((*place, "epoch"), told))
        for name, value in change.values.items():
            told = f"no hyper-parameter of the search space that can change.{nearest(name, known)}"
            refused = [f"{told} Known: {', '.join(known) or 'none'}"]
            if name in known:
                refused = _refused(entries, name, value)
            problems += [((*place, "values", name), text) for text in refused]
    return problems


def _refused(entries: Sequence[Sequence[Searched]], name: str, value: float) -> list[str]:
    """Why regularizers of the search space refuse a new value, each reason once."""
    kind, _, field = name.partition(".")
    reasons: dict[str, None] = {}
    for config in _examples(entries):
        if config.kind == kind:
            changed = config.model_dump() | {field: value}
            try:
                type(config).model_validate(changed)
            except ValidationError as failed:
                reasons |= dict.fromkeys(text for _, text in explain(failed, type(config), changed))
    return list(reasons)


def _examples(entries: Sequence[Sequence[Searched]]) -> Iterator[Kind]:
    """Regularizers that show every value of the space, or every kind of value."""
    space = Space(entries)
    for point in space.examples():
        with suppress(ValidationError):  # a combination that is refused whatever changes
            yield from space.settle(point).regularizers
