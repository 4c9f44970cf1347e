"""What every search algorithm says about itself, and what one that learns is asked and told.

A *trial* is what is judged as one: a setting of the regularizers under one combination of factor
levels, trained with all seeds (or, where an algorithm asks so, with one) and all levels of the
factors that are averaged over. An algorithm
either lists its settings up front, the same under every combination, or it learns: it chooses them
one after another, for each combination from what came out under it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from pydantic import Field

from regsearch.mistakes import Where
from regsearch.registry import Registry
from regsearch.space import Config
from regsearch.study.search.space import Point, Setting, Space

Direction = Literal["maximize", "minimize"]
Goals = dict[str, Direction]
"""Objectives: directions by the quantity's name."""


class Searching(Config):
    """What every algorithm may be given; each narrows ``algorithm`` to its own name."""

    algorithm: str
    aggregate: list[str] = Field(
        default=[], description="factors, by path, over whose levels a cell is judged by its mean"
    )
    max_concurrent_trials: Annotated[
        Annotated[int, Field(ge=1, le=100_000)] | None,
        Field(description="packs trained at the same time, at most; null: as many as fit"),
    ] = None

    def goals(self, name: str, goal: Direction) -> Goals:
        """The objectives; of most algorithms the study's metric ``name`` alone."""
        return {name: goal}


class Sampled(Searching):
    """What an algorithm may be given that does not try every combination."""

    cells: Annotated[
        int,
        Field(
            ge=1,
            le=10_000_000,
            description="settings to try under each combination of factors, at most",
        ),
    ]
    seed: Annotated[
        int, Field(ge=0, lt=2**32, description="of the choice of cells; not of any run")
    ] = 0


class Learning(Sampled):
    """What an algorithm may be given that chooses cells from what came out of others."""

    batch: Annotated[
        Annotated[int, Field(ge=1, le=100_000)] | None,
        Field(description="cells asked at once and packed together; null: 4, or 1 if scheduled"),
    ] = None


class Candidate(NamedTuple):
    """What a strategy asks for: a setting, with all seeds of the study or with one."""

    setting: Setting
    seed: int | None = None


@dataclass(frozen=True)
class Answer:
    """What came out of a trial.

    ``values`` holds one mean over runs per objective, the worst there is (infinite) where a run
    diverged; ``path`` is the mean of the first objective after each epoch.
    """

    ended: Literal["completed", "stopped", "failed"]
    values: tuple[float, ...] = ()
    path: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scope:
    """What a strategy chooses settings for: one combination of levels.

    ``seeds`` are the study's; ``number`` and ``name`` the combination's; ``folder`` is where files
    may be kept that are derived from the records, ``None``: nowhere.
    """

    space: Space
    goals: Goals
    seeds: tuple[int, ...] = (0,)
    number: int = 0
    name: str = "study"
    folder: Path | None = None


class Strategy(Protocol):
    """Chooses settings under one combination of levels from what came out before.

    It is made anew at every start, and first told what the records answer: it keeps nothing that
    a killed driver could lose.
    """

    @property
    def done(self) -> bool:
        """True once nothing will be asked any more."""

    def ask(self, count: int) -> list[Candidate]:
        """At most ``count`` candidates never asked before.

        Fewer, or none, if there is nothing to propose until something is told.
        """

    def knows(self, candidate: Candidate) -> bool:
        """Whether ``candidate`` was told."""

    def take_up(self, candidate: Candidate) -> None:
        """Hear that ``candidate`` is being trained, as an earlier start had asked."""

    def tell(self, candidate: Candidate, answer: Answer) -> None:
        """Hear what came out of a candidate, asked or not."""


Misfits = Callable[[Space, Any], Iterable[tuple[Where, str]]]
"""Where (below ``search``) a config does not go with a space, and why."""


@dataclass(frozen=True)
class Listed:
    """A way to choose settings up front: ``points(space, config)``, some perhaps twice."""

    config: type[Searching]
    description: str
    points: Callable[[Space, Any], Iterable[Point]]
    misfits: Misfits = lambda space, config: ()


@dataclass(frozen=True)
class Learned:
    """A way to choose settings from what came out of others: ``strategy(scope, config)`` asks.

    ``by_seed``: whether it asks for single seeds of a setting, and is told of each apart.
    """

    config: type[Searching]
    description: str
    strategy: Callable[[Scope, Any], Strategy]
    misfits: Misfits = lambda space, config: ()
    by_seed: bool = False


ALGORITHMS: Registry[Listed | Learned] = Registry("search algorithm")
"""Every way to choose cells, by the name it has in a file."""
