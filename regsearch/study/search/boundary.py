"""Where the next runs tell most about the boundary of a region: a rule on a declared grid.

Published libraries choose points of a continuum for a function without noise (python-adaptive's
``Learner2D``), or need a stack of their own and have no rule for level sets either (BoTorch).
Phase diagrams show measured cells only, runs are noisy by seed, and some diverge; so the rule here
chooses cells of the grid, and seeds of them, from all that was measured. It keeps nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from regsearch.study.coarse_to_fine import coarse_to_fine
from regsearch.study.search.level_map import Array, LevelMap, LevelProcess, Place, Run

Runs = Mapping[Place, Mapping[int, float | None]]
"""By cell and number of a seed, the margin of a run over the level: above 0 is above, ``-inf``
diverged, ``None`` failed."""

FIRST_LEVEL = 2
"""The search begins with five values of each axis: see ``coarse_to_fine``."""

REPEATS = 8
"""Cells that get a second seed before others are inferred: what do seeds, what is noise?"""

MOST_WEIGHED = 64
"""Cells, those that straddle the level most, of which runs are weighed in a round."""


class Boundary:
    """Chooses runs of a grid's cells until the side of every cell is sure, or its seeds are spent.

    The coarse grid comes first, once per cell. Then come cells whose side is least sure, or that
    lie at the boundary and were never measured, and more seeds of them. A cell in which a run
    diverged lies below. Cells begin with different seeds: what a seed does to all cells alike
    must not move the boundary.

    Args:
        lengths: of the grid's axes.
        seeds: how many a cell may be run with.
        error: a cell is sure if the probability of its other side is not above this.
        tolerance: how far beyond the level the other side begins, in units of the margin.
    """

    def __init__(
        self, lengths: Sequence[int], seeds: int, error: float, tolerance: float = 0.0
    ) -> None:
        self._lengths, self._seeds = tuple(lengths), seeds
        self._error, self._tolerance = error, tolerance
        self._places = list(np.ndindex(*lengths))
        self._number = {place: number for number, place in enumerate(self._places)}
        self._coarse = [place for level, place in coarse_to_fine(lengths) if level <= FIRST_LEVEL]
        self._turn = np.random.default_rng(0).permutation(len(self._places)) % seeds

    def ask(self, runs: Runs, count: int) -> list[Run]:
        """The next runs, at most ``count``; none once there is nothing left to tell."""
        first = [place for place in self._coarse if place not in runs]
        if first:
            return [(place, self._free(place, runs)[0]) for place in first[:count]]
        again = self._repeats(runs)[:count]
        return again + list(islice(self._unsure(runs, again), count - len(again)))

    def above(self, runs: Runs) -> NDArray[np.bool_]:
        """The more likely side of every cell, measured or not: true above the level, [*lengths]."""
        return self._sides(runs, self._process(runs).map()).reshape(self._lengths)

    def wrong(self, runs: Runs) -> Array:
        """Probability that a cell lies on the other side than ``above`` says, [*lengths]."""
        return self._wrong(runs, self._process(runs).map()).reshape(self._lengths)

    def _free(self, place: Place, runs: Runs) -> list[int]:
        """Seeds that a cell was not run with, in the order in which the cell takes them."""
        turn, spent = int(self._turn[self._number[place]]), runs.get(place, {})
        return [s for s in (*range(turn, self._seeds), *range(turn)) if s not in spent]

    def _repeats(self, runs: Runs) -> list[Run]:
        """Second seeds of the cells nearest to the level, until there are enough of them."""
        margins = measured(runs)
        repeated = sum(len(values) > 1 for values in margins.values())
        once = [
            (abs(values[0]), place)
            for place, values in margins.items()
            if len(values) == 1 and np.isfinite(values[0]) and self._free(place, runs)
        ]
        nearest = sorted(once)[: max(0, REPEATS - repeated)]
        return [(place, self._free(place, runs)[0]) for _, place in nearest]

    def _unsure(self, runs: Runs, asked: Sequence[Run]) -> Iterator[Run]:
        """Runs by the straddle rule, each as if those asked before came out as expected."""
        if not measured(runs):
            return
        process = self._process(runs)
        believed = process.map()
        unseen = self._edge(runs, believed) & [place not in runs for place in self._places]
        free = self._candidates(runs, believed, unseen, asked)
        candidates = [*asked, *((self._places[cell], seed) for cell in free for seed in free[cell])]
        position = {run: number for number, run in enumerate(candidates)}
        believed = process.map(candidates)
        for run in asked:
            believed = believed.expecting(position[run])
        while True:
            wanted = unseen | (self._wrong(runs, believed) > self._error)
            wanted &= [bool(free.get(cell)) for cell in range(len(self._places))]
            if not wanted.any():
                return
            cell = int(np.argmax(np.where(wanted, believed.straddle(), -np.inf)))
            place = self._places[cell]
            choices = [position[place, seed] for seed in free[cell]]
            seed = free[cell].pop(int(np.argmax(believed.gain(cell, choices))))
            yield place, seed
            unseen[cell] = False
            believed = believed.expecting(position[place, seed])

    def _candidates(
        self, runs: Runs, believed: LevelMap, unseen: NDArray[np.bool_], asked: Sequence[Run]
    ) -> dict[int, list[int]]:
        """Free seeds of the cells that straddle the level most, of those that are not sure."""
        wanted = np.flatnonzero(unseen | (self._wrong(runs, believed) > self._error))
        order = wanted[np.argsort(-believed.straddle()[wanted], kind="stable")]
        free = {int(cell): self._free(self._places[cell], runs) for cell in order}
        for cell, seeds in free.items():
            free[cell] = [seed for seed in seeds if (self._places[cell], seed) not in asked]
        return dict(islice(((cell, seeds) for cell, seeds in free.items() if seeds), MOST_WEIGHED))

    def _process(self, runs: Runs) -> LevelProcess:
        """What was measured; all of a cell is as bad as its worst run, if that diverged."""
        margins = measured(runs)
        means = np.array([np.mean(values) for values in margins.values()])
        sizes = np.abs(means[np.isfinite(means) & (means != 0)])
        known = [
            ((place, seed), -np.inf if -np.inf in margins[place] else margin)
            for place in sorted(margins)  # not as they came in: the order must not matter
            for seed, margin in sorted(runs[place].items())
            if margin is not None
        ]
        unit = float(np.median(sizes)) if len(sizes) else 1.0
        asked, came = zip(*known, strict=True)
        return LevelProcess(self._lengths, self._seeds, asked, came, unit)

    def _sides(self, runs: Runs, believed: LevelMap) -> NDArray[np.bool_]:
        sides = believed.mean > 0
        for place, side in self._settled(runs).items():
            sides[self._number[place]] = side
        return sides

    def _wrong(self, runs: Runs, believed: LevelMap) -> Array:
        wrong = believed.wrong(self._tolerance)
        wrong[[self._number[place] for place in self._settled(runs)]] = 0.0
        return wrong

    def _settled(self, runs: Runs) -> dict[Place, bool]:
        """The sides of cells with all their seeds, a diverged run, or several equal to the level.

        The last is the limit at which a method does nothing, compared with the baseline.
        """
        return {
            place: bool(np.mean(margins) > 0)
            for place, margins in measured(runs).items()
            if len(runs[place]) == self._seeds
            or -np.inf in margins
            or (len(margins) > 1 and not any(margins))
        }

    def _edge(self, runs: Runs, believed: LevelMap) -> NDArray[np.bool_]:
        """Cells with a neighbour, one step along one axis, on the other side."""
        sides = self._sides(runs, believed).reshape(self._lengths)
        edge = np.zeros_like(sides)
        for axis in range(sides.ndim):
            differs = np.diff(sides, axis=axis)
            for ends in ((0, 1), (1, 0)):
                edge |= np.pad(differs, [ends if a == axis else (0, 0) for a in range(sides.ndim)])
        return edge.ravel()


def measured(runs: Runs) -> dict[Place, list[float]]:
    """The margins of the cells that have any."""
    found = {
        place: [margin for margin in seeds.values() if margin is not None]
        for place, seeds in runs.items()
    }
    return {place: margins for place, margins in found.items() if margins}
