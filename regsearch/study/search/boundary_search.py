"""``boundary``: runs where a phase diagram changes, on the declared grid."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field

from regsearch.mistakes import Where
from regsearch.study.distributions import Choice
from regsearch.study.search._base import ALGORITHMS, Learned, Scope, Searching, Strategy
from regsearch.study.search.space import Axis, Entry, Point, Space

MOST_CELLS = 2_500
"""Of a plane: every one of them is inferred in each round."""


class BoundarySearch(Searching):
    """The edge of the region in which the metric is better than a level, or than the baseline."""

    algorithm: Literal["boundary"] = Field(description="along the edge of a region")
    x: Annotated[str, Field(description="hyper-parameter, as v or volumization.v")]
    y: Annotated[str | None, Field(description="second hyper-parameter; null: a line")] = None
    level: Annotated[
        float | None,
        Field(description="of the metric; with a baseline, of the difference from it: default 0"),
    ] = None
    baseline: Annotated[
        str | None, Field(description="regularizer to compare with, seed by seed; such as none")
    ] = None
    runs: Annotated[
        int, Field(ge=1, le=10_000_000, description="under each combination of factors, at most")
    ]
    error: Annotated[
        float, Field(gt=0, lt=0.5, description="of the side of any cell, that ends the search")
    ] = 0.05
    tolerance: Annotated[
        float, Field(ge=0, description="distance from the level at which a side does not matter")
    ] = 0.0
    batch: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="runs asked at once and packed together, the next when all are in; "
            "more for many workers",
        ),
    ] = 25


class Plane:
    """A grid of cells in an entry; what else varies in the entry is fixed."""

    def __init__(self, entry: Entry, axes: list[int], fixed: dict[int, Any]) -> None:
        self._entry, self._fixed = entry, fixed
        self._values = {axis: sorted(_values(entry.axes[axis])) for axis in axes}
        self.lengths = [len(values) for values in self._values.values()]

    def at(self, place: tuple[int, ...]) -> Point:
        """The point in a place of the grid."""
        chosen = dict(self._fixed)
        for (axis, values), number in zip(self._values.items(), place, strict=True):
            chosen[axis] = values[number]
        return Point(self._entry.index, tuple(chosen[axis] for axis in sorted(chosen)))


def planes(space: Space, config: BoundarySearch) -> list[Plane]:
    """The plane of each entry that has the axes: one for each setting of what else varies."""
    found = []
    for entry in space.entries:
        axes = find_axes(entry, config)
        if axes is not None:
            others = [number for number in range(len(entry.axes)) if number not in axes]
            for values in product(*(_values(entry.axes[other]) for other in others)):
                found.append(Plane(entry, axes, dict(zip(others, values, strict=True))))
    return found


def find_axes(entry: Entry, config: BoundarySearch) -> list[int] | None:
    """Numbers of the entry's axes that x and y name; ``None`` where it lacks one."""
    found = []
    for word in (config.x, config.y):
        if word is not None:
            named = [n for n, axis in enumerate(entry.axes) if word in (axis.name, axis.field)]
            if len(named) != 1:
                return None
            found += named
    return found


def find_baseline(space: Space, config: BoundarySearch) -> Point | None:
    """The one setting of the baseline; ``None`` where the space has none, or several."""
    named = [entry for entry in space.entries if entry.label == config.baseline]
    return Point(named[0].index, ()) if len(named) == 1 and not named[0].axes else None


def strategy(scope: Scope, config: BoundarySearch) -> Strategy:
    """The search of the boundaries of all planes; what it needs is imported here."""
    from regsearch.study.search.boundary_strategy import BoundaryStrategy

    return BoundaryStrategy(scope, config)


def misfits(space: Space, config: BoundarySearch) -> Iterator[tuple[Where, str]]:
    """Axes that are not a grid of numbers, entries without them, no level."""
    if config.level is None and config.baseline is None:
        yield (), "needs a level of the metric, or a baseline such as none"
    if config.x == config.y:
        yield ("y",), "is x again; leave it out for a line"
    if config.baseline is not None and find_baseline(space, config) is None:
        single = [entry.label for entry in space.entries if not entry.axes]
        known = f"or name {', '.join(single)}" if single else "or leave it out"
        yield (
            ("baseline",),
            f"{config.baseline!r} is no entry of the search space with a single setting; "
            f"add one, {known}",
        )
    for entry in space.entries:
        if entry.label != config.baseline:
            yield from _misfits_of(entry, config)


def _misfits_of(entry: Entry, config: BoundarySearch) -> Iterator[tuple[Where, str]]:
    named = "x" if config.y is None else "x or y"
    axes = find_axes(entry, config)
    if axes is None:
        varying = ", ".join(axis.name for axis in entry.axes) or "nothing"
        yield (
            ("x",),
            f"the entry {entry.label} lacks {named} (it varies {varying}): this search runs the "
            "plane and its baseline only; move the entry to a study of its own",
        )
        return
    for number, axis in enumerate(entry.axes):
        if not isinstance(axis.domain, Choice):
            yield (
                ("x",),
                f"{axis.name} is drawn from a distribution, and a boundary lies on a grid; "
                "write a list, linspace or logspace",
            )
        elif number in axes and not all(_is_number(value) for value in axis.domain.values):
            yield (
                ("x",),
                f"{axis.name} takes words, which have no order; give it a plane of its own",
            )
    cells = 1
    for number in axes:
        cells *= entry.axes[number].domain.size or 1
    if cells > MOST_CELLS:
        yield (
            ("x",),
            f"makes a plane of {cells:,} cells, more than {MOST_CELLS:,}; take fewer values",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _values(axis: Axis) -> list[Any]:
    return list(axis.domain.examples())


ALGORITHMS.add(
    "boundary",
    Learned(
        BoundarySearch,
        "runs where the metric crosses a level or the baseline, on the declared grid",
        strategy=strategy,
        misfits=misfits,
        by_seed=True,
    ),
)
