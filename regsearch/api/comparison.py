"""Several studies on one quantity, as numbers for a program and as lines for a person."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from regsearch.report.quantities import Quantity
from regsearch.report.stats import LEVEL, correction_words

SHOWN = 20
"""Settings that a person is shown; a program gets all."""

WIDTH = 60
"""Characters of a pipeline's value that a person is shown."""


@dataclass(frozen=True)
class Contrast:
    """A study minus the first of the row, its 95 % interval, and p for all of the table together.

    ``pairs`` is the number of seeds that both have; 0 where there are fewer than two, and they are
    compared as independent samples. ``None``: too few values for an interval.
    """

    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    pairs: int


@dataclass(frozen=True)
class Side:
    """One cell of one study: the mean over its completed runs, and its 95 % interval."""

    study: str
    cell: str
    setting: str
    mean: float | None
    low: float | None
    high: float | None
    seeds: int
    lost: str  # what became of the other runs, in words
    minus_first: Contrast | None


@dataclass(frozen=True)
class Row:
    """Cells of several studies beside each other, in the order of the studies."""

    title: str
    sides: tuple[Side, ...]


@dataclass(frozen=True)
class Comparison:
    """What several studies say about one quantity."""

    studies: tuple[str, ...]
    quantity: Quantity
    best: tuple[Row, ...]  # a row for each combination of the factors' levels
    shared: tuple[Row, ...]  # a row for each setting that two studies have, best first
    pipelines: dict[str, dict[str, Any]]  # values that differ, by path and study; absent: None

    def to_dict(self) -> dict[str, Any]:
        """For a program; numbers are as stored, fractions rather than percentages."""
        return {
            "studies": list(self.studies),
            "metric": self.quantity.column,
            "better": {1: "higher", -1: "lower", 0: None}[self.quantity.direction],
            "best": [asdict(row) for row in self.best],
            "shared": [asdict(row) for row in self.shared],
            "pipelines": self.pipelines,
        }

    def lines(self) -> Iterator[str]:
        """For a person."""
        better = {1: ", higher is better", -1: ", lower is better", 0: ""}
        yield f"{self.quantity.label}{better[self.quantity.direction]}; means and 95 % intervals"
        yield from self._best_lines()
        yield from self._shared_lines()
        yield from self._pipeline_lines()

    def _best_lines(self) -> Iterator[str]:
        for row in self.best:
            yield ""
            yield f"best cell of each{f' at {row.title}' if row.title else ''}"
            yield from _aligned([self._best_line(side) for side in row.sides])
        if not self.best:
            yield ""
            yield "no study has a best cell: nothing has completed, or neither way is better"
        elif contrasts := _count(self.best):
            yield f"* {correction_words('holm', contrasts)}; but each cell was chosen by these same"
            yield "runs as the best of its study, which flatters the study that has tried more"

    def _best_line(self, side: Side) -> list[str]:
        minus = f"minus {self.studies[0]}: {self._minus(side)}" if side.minus_first else ""
        return [f"  {side.study}", self._value(side), side.setting, minus]

    def _shared_lines(self) -> Iterator[str]:
        yield ""
        if not self.shared:
            yield "no setting has completed runs in two of the studies"
            return
        first, *others = self.studies
        yield f"{len(self.shared):,} settings completed in more than one"
        head = ["  setting", first, *(word for s in others for word in (s, f"minus {first}"))]
        yield from _aligned([head, *map(self._shared_line, self.shared[:SHOWN])])
        if len(self.shared) > SHOWN:
            yield f"  and {len(self.shared) - SHOWN:,} more; --json lists all"
        if contrasts := _count(self.shared):
            yield f"* {correction_words('benjamini_hochberg', contrasts)}"

    def _shared_line(self, row: Row) -> list[str]:
        sides = {side.study: side for side in row.sides}
        words = [f"  {row.title}"]
        for study in self.studies:
            side = sides.get(study)
            words.append(self._value(side) if side else "")
            if study != self.studies[0]:
                words.append(self._minus(side) if side else "")
        return words

    def _pipeline_lines(self) -> Iterator[str]:
        yield ""
        if not self.pipelines:
            yield "the pipelines are the same"
            return
        yield "the pipelines differ in"
        rows = [
            [f"  {path}", *(_short(values[study]) for study in self.studies)]
            for path, values in self.pipelines.items()
        ]
        yield from _aligned([["", *self.studies], *rows])

    def _value(self, side: Side) -> str:
        half = math.nan if side.high is None or side.mean is None else side.high - side.mean
        mean = math.nan if side.mean is None else side.mean
        told = self.quantity.pair(mean, half) if math.isfinite(half) else self.quantity.text(mean)
        seeds = f"{side.seeds} seed{'' if side.seeds == 1 else 's'}"
        return f"{told} ({', '.join(filter(None, [seeds, side.lost]))})"

    def _minus(self, side: Side) -> str:
        found = side.minus_first
        if found is None or found.mean is None:
            return ""
        told = self.quantity.text(found.mean, sign=True)
        if found.low is None or found.high is None:
            return told
        ends = f"[{self.quantity.text(found.low, True)}, {self.quantity.text(found.high, True)}]"
        mark = "*" if found.p is not None and found.p < LEVEL else ""
        return f"{told} {ends}{mark} {f'{found.pairs} pairs' if found.pairs else 'not paired'}"


def to_text(value: Any) -> str:
    """A value as one would write it in a file."""
    return value if isinstance(value, str) else json.dumps(value)


def _short(value: Any) -> str:
    told = "-" if value is None else to_text(value)
    return told if len(told) <= WIDTH else f"{told[: WIDTH - 1]}…"


def _count(rows: Sequence[Row]) -> int:
    """How many differences were tested."""
    contrasts = [side.minus_first for row in rows for side in row.sides]
    return sum(contrast is not None and contrast.p is not None for contrast in contrasts)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest entry."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{entry:<{width}}" for entry, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
