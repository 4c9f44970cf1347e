"""The boundaries of all planes of a search space, asked for in rounds of single runs."""

from __future__ import annotations

import math

import numpy as np
from pydantic import ValidationError

from regsearch.study.search._base import Answer, Candidate, Scope
from regsearch.study.search.boundary import Boundary
from regsearch.study.search.boundary_search import BoundarySearch, Plane, find_baseline, planes
from regsearch.study.search.level_map import Place
from regsearch.study.search.space import Point, Setting, Space

Told = dict[int, float | None]
"""Values by the number of a seed; ``None``: the run failed."""

Grid = dict[Place, Setting | None]
"""The settings of a plane; ``None`` where a regularizer refuses the combination of values."""


class BoundaryStrategy:
    """Asks for settings one seed at a time, a round of them whenever all before are in.

    The seeds of the baseline come first, together with the coarse grids. Margins are differences
    from the baseline's run of the same seed, or from the mean of its runs where that one failed.
    """

    def __init__(self, scope: Scope, config: BoundarySearch) -> None:
        self._config, self._seeds = config, scope.seeds
        self._numbers: dict[int | None, int] = {s: number for number, s in enumerate(scope.seeds)}
        [goal] = scope.goals.values()
        self._sign = 1.0 if goal == "maximize" else -1.0
        found = planes(scope.space, config)
        self._grids = [_settings(scope.space, plane) for plane in found]
        self._boundaries = [
            Boundary(plane.lengths, len(self._seeds), config.error, config.tolerance)
            for plane in found
        ]
        point = find_baseline(scope.space, config)
        self._baseline = _settle(scope.space, point) if point else None
        self._told: dict[str, Told] = {}
        self._open: set[tuple[str, int]] = set()
        self._round: list[Candidate] | None = None

    @property
    def done(self) -> bool:
        """True once the budget is spent, or every side is as sure as it was wanted."""
        if self._spent + len(self._open) >= self._config.runs:
            return True
        return not self._open and not self._next_round()

    def ask(self, count: int) -> list[Candidate]:
        """The next round, unless one is out."""
        asked = [] if self._open or self.done else self._next_round()[:count]
        for candidate in asked:
            self.take_up(candidate)
        return asked

    def knows(self, candidate: Candidate) -> bool:
        """Whether this run of a setting was told."""
        key, number = self._key(candidate)
        return number in self._told.get(key, {})

    def take_up(self, candidate: Candidate) -> None:
        """Count a run as asked."""
        self._open.add(self._key(candidate))

    def tell(self, candidate: Candidate, answer: Answer) -> None:
        """Note the value of a run."""
        key, number = self._key(candidate)
        self._open.discard((key, number))
        value = answer.values[0] if answer.ended == "completed" else None
        self._told.setdefault(key, {})[number] = value
        self._round = None

    def _key(self, candidate: Candidate) -> tuple[str, int]:
        return candidate.setting.key, self._numbers[candidate.seed]

    @property
    def _spent(self) -> int:
        return sum(map(len, self._told.values()))

    def _next_round(self) -> list[Candidate]:
        """The baseline's seeds, then a share of each plane, within the budget."""
        if self._round is None:
            asked = self._of_baseline()
            share = math.ceil(self._config.batch / max(1, len(self._boundaries)))
            for boundary, grid in zip(self._boundaries, self._grids, strict=True):
                for place, number in boundary.ask(self._margins(grid), share):
                    if setting := grid[place]:
                        asked.append(Candidate(setting, self._seeds[number]))
            self._round = asked[: self._config.runs - self._spent]
        return self._round

    def _of_baseline(self) -> list[Candidate]:
        if self._baseline is None:
            return []
        told = self._told.get(self._baseline.key, {})
        return [Candidate(self._baseline, s) for n, s in enumerate(self._seeds) if n not in told]

    def _margins(self, grid: Grid) -> dict[Place, Told]:
        """What was told of a grid, above 0 where it is better than the level or the baseline."""
        levels = self._levels()
        margins: dict[Place, Told] = {}
        for place, setting in grid.items():
            if setting is None:
                margins[place] = dict.fromkeys(range(len(levels)))
            elif told := self._told.get(setting.key):
                margins[place] = {n: self._margin(told[n], levels[n]) for n in told}
        return margins

    def _levels(self) -> list[float]:
        """What a run of each seed is compared with; NaN while there is nothing."""
        level, count = self._config.level or 0.0, len(self._seeds)
        if self._baseline is None:
            return [level] * count
        told = self._told.get(self._baseline.key, {})
        sound = {number: value for number, value in told.items() if value is not None}
        mean = float(np.mean(list(sound.values()))) if sound else math.nan
        return [sound.get(number, mean) + level for number in range(count)]

    def _margin(self, value: float | None, level: float) -> float | None:
        if value is None or math.isnan(level):
            return None
        return -math.inf if math.isinf(value) else self._sign * (value - level)


def _settings(space: Space, plane: Plane) -> Grid:
    return {place: _settle(space, plane.at(place)) for place in np.ndindex(*plane.lengths)}


def _settle(space: Space, point: Point) -> Setting | None:
    try:
        return space.settle(point)
    except ValidationError:
        return None
