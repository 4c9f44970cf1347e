"""``grid``: every combination of values, coarse to fine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from regsearch.study.coarse_to_fine import coarse_to_fine
from regsearch.study.search._base import ALGORITHMS, Listed, Searching
from regsearch.study.search.space import Entry, Point, Space


class Grid(Searching):
    """Every combination of the values of each entry."""

    algorithm: Annotated[Literal["grid"], Field(description="every combination")] = "grid"


def points(space: Space, config: Grid) -> list[Point]:
    """All points, the coarsest of every entry first."""
    levelled = [pair for entry in space.entries for pair in _of_entry(entry)]
    return [point for _, point in sorted(levelled, key=lambda pair: pair[0])]


def _of_entry(entry: Entry) -> Iterator[tuple[int, Point]]:
    grids = [axis.domain.examples() for axis in entry.axes]  # all values: none is a distribution
    for level, places in coarse_to_fine([len(grid) for grid in grids]):
        values = (grid[at] for grid, at in zip(grids, places, strict=True))
        yield level, Point(entry.index, tuple(values))


ALGORITHMS.add("grid", Listed(Grid, "every combination, coarse to fine", points=points))
