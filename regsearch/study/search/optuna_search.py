"""``optuna``: cells chosen one after another by one of Optuna's samplers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from regsearch.mistakes import Where
from regsearch.space import Kind, OneOf
from regsearch.study.search._base import (
    ALGORITHMS,
    Direction,
    Goals,
    Learned,
    Learning,
    Scope,
    Strategy,
)
from regsearch.study.search.samplers import SAMPLERS, Tpe
from regsearch.study.search.space import Space


class OptunaSearch(Learning):
    """A sampler of Optuna's, told the mean of each cell as it comes in."""

    algorithm: Literal["optuna"] = Field(description="one of its samplers")
    sampler: Annotated[Kind, OneOf(SAMPLERS)] = Field(
        default=Tpe(kind="tpe"), description="Optuna's, with Optuna's argument names"
    )
    start: list[dict[str, Any] | list[dict[str, Any]]] = Field(
        default=[], description="settings to try first: entries with one value each"
    )
    objectives: Goals | None = Field(
        default=None, description="quantities and their directions; null: the study's metric"
    )

    def goals(self, name: str, goal: Direction) -> Goals:
        """Those named, or the study's metric."""
        return self.objectives or super().goals(name, goal)


def strategy(scope: Scope, config: OptunaSearch) -> Strategy:
    """Optuna's ask and tell; the library is imported here."""
    from regsearch.study.search.optuna_strategy import OptunaStrategy

    return OptunaStrategy(scope, config)


def misfits(space: Space, config: OptunaSearch) -> Iterator[tuple[Where, str]]:
    """What the sampler, the objectives and the start points do not agree on with the space."""
    sampler = SAMPLERS[config.sampler.kind]
    place, kind = ("sampler",), config.sampler.kind
    if len(config.objectives or {}) > 1 and not sampler.several_objectives:
        yield place, f"{kind} knows one objective; use tpe, gp, nsgaii or nsgaiii for several"
    if sampler.discrete_only and space.size is None:
        yield place, f"{kind} tries every point, and uniform and loguniform have no end of them"
    if kind == "grid" and len(space.entries) > 1:
        yield place, "grid knows one entry of the search space; use brute_force for several"
    if config.objectives == {}:
        yield ("objectives",), "names no quantity; leave it out for the study's metric"
    for number, start in enumerate(config.start):
        try:
            space.place(start)
        except ValueError as misfit:
            yield ("start", number), str(misfit)


ALGORITHMS.add(
    "optuna",
    Learned(
        OptunaSearch,
        "one of Optuna's samplers, which learns from the cells that are in",
        strategy=strategy,
        misfits=misfits,
    ),
)
