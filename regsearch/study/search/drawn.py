"""``random``, ``sobol`` and ``halton``: settings drawn up front, whatever comes out of them.

All three are sequences in the unit cube, made into values by the quantiles of each domain. A
longer sequence begins as a shorter one, so a study that asks for more cells keeps those it has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from regsearch.study.search._base import ALGORITHMS, Listed, Sampled
from regsearch.study.search.space import Entry, Point, Space

Cube = Callable[[int, int, list[int]], NDArray[np.float64]]
"""The first ``2 ** power`` points in the unit cube of a sequence, ``[2 ** power, dimensions]``,
from power, dimensions and seed."""

PATIENCE = 64
"""Draws for each value that a discrete entry has, at most, until it counts as exhausted."""


class Random(Sampled):
    """Independent draws; each entry of the search space is as likely as any other."""

    algorithm: Literal["random"] = Field(description="independent draws")


class Sobol(Sampled):
    """A scrambled Sobol' sequence in each entry of the search space, the entries in turn."""

    algorithm: Literal["sobol"] = Field(description="a low-discrepancy sequence")


class Halton(Sampled):
    """A scrambled Halton sequence in each entry of the search space, the entries in turn."""

    algorithm: Literal["halton"] = Field(description="a low-discrepancy sequence")


def random_cube(power: int, dimensions: int, seed: list[int]) -> NDArray[np.float64]:
    """Independent and uniform."""
    return np.random.default_rng(seed).random((2**power, dimensions))


def sobol_cube(power: int, dimensions: int, seed: list[int]) -> NDArray[np.float64]:
    """Sobol' sequence with Owen's scrambling (``scipy.stats.qmc.Sobol``)."""
    from scipy.stats import qmc

    return qmc.Sobol(dimensions, rng=np.random.default_rng(seed)).random_base2(power)


def halton_cube(power: int, dimensions: int, seed: list[int]) -> NDArray[np.float64]:
    """Halton sequence with Owen's scrambling (``scipy.stats.qmc.Halton``)."""
    from scipy.stats import qmc

    return qmc.Halton(dimensions, rng=np.random.default_rng(seed)).random(2**power)


def distinct_points(entry: Entry, cube: Cube, seed: int) -> Iterator[Point]:
    """Points of one entry, none twice, as far as they are asked for."""
    if not entry.axes:
        yield entry.at(())
        return
    seen: set[str] = set()
    most = entry.size
    drawn, power = 0, 6
    while most is None or (len(seen) < most and drawn < PATIENCE * most):
        for shares in cube(power, len(entry.axes), [seed, entry.index])[drawn:]:
            point = entry.at(shares.tolist())
            key = json.dumps(point.values)
            if key not in seen:
                seen.add(key)
                yield point
        drawn, power = 2**power, power + 1


def independent_points(space: Space, config: Random) -> Iterator[Point]:
    """``config.cells`` points, the entry of each drawn too; fewer if there are no more."""
    left = {e.index: distinct_points(e, random_cube, config.seed) for e in space.entries}
    entries = np.random.default_rng(config.seed)
    wanted = config.cells
    while left and wanted:
        index = int(entries.choice(list(left)))
        point = next(left[index], None)
        if point is None:
            del left[index]
            continue
        wanted -= 1
        yield point


def points_in_turn(space: Space, config: Sampled, cube: Cube) -> Iterator[Point]:
    """``config.cells`` points, one of each entry in turn; fewer if there are no more."""
    left = [distinct_points(entry, cube, config.seed) for entry in space.entries]

    def in_turn() -> Iterator[Point]:
        while left:
            for stream in list(left):
                point = next(stream, None)
                if point is None:
                    left.remove(stream)
                else:
                    yield point

    return islice(in_turn(), config.cells)


ALGORITHMS.add(
    "random", Listed(Random, "independent draws from the space", points=independent_points)
)
ALGORITHMS.add(
    "sobol",
    Listed(
        Sobol,
        "a low-discrepancy sequence: covers the space evenly, best with 2^n cells",
        points=lambda space, config: points_in_turn(space, config, sobol_cube),
    ),
)
ALGORITHMS.add(
    "halton",
    Listed(
        Halton,
        "a low-discrepancy sequence: covers the space evenly, with any number of cells",
        points=lambda space, config: points_in_turn(space, config, halton_cube),
    ),
)
