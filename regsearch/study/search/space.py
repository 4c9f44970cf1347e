"""The space that is searched: its entries, each with the hyper-parameters that vary in it.

A search over several entries is one over a conditional space: first which entry, then the values
that this entry has.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from pydantic import ValidationError

from regsearch.mistakes import sentences
from regsearch.regularizers import REGULARIZERS
from regsearch.space import Kind, per_run_fields
from regsearch.study.distributions import Choice, Distribution, Uniform
from regsearch.study.domains import Searched


class Setting(NamedTuple):
    """Regularizers applied together, every hyper-parameter settled, and the entry they are of."""

    entry: int
    regularizers: tuple[Kind, ...]

    @property
    def content(self) -> list[dict[str, Any]]:
        """The regularizers as plain JSON values, as a task holds them."""
        return [config.model_dump(mode="json") for config in self.regularizers]

    @property
    def key(self) -> str:
        """Equal for settings that train the same runs, whichever entry asks for them."""
        return json.dumps(self.content, sort_keys=True)


class Point(NamedTuple):
    """Values of what varies in an entry, in the order of its axes; not yet checked together."""

    entry: int
    values: tuple[Any, ...]


class Axis(NamedTuple):
    """A hyper-parameter that varies: of which of the regularizers applied together, and how."""

    regularizer: int
    field: str
    name: str  # such as volumization.v
    domain: Distribution


class Entry:
    """One entry of a search space: regularizers that are applied together."""

    def __init__(self, index: int, regularizers: Sequence[Searched]) -> None:
        self.index = index
        self.label = " + ".join(searched.kind for searched in regularizers)
        self._kinds = [searched.kind for searched in regularizers]
        self._fixed: list[dict[str, Any]] = [{} for _ in regularizers]
        self._fields = [list(searched.axes()) for searched in regularizers]
        self.axes: list[Axis] = []
        for number, searched in enumerate(regularizers):
            for field, domain in searched.axes().items():
                law = Choice(tuple(domain)) if isinstance(domain, list) else domain
                if law.size == 1:
                    self._fixed[number][field] = law.at(0)
                else:
                    self.axes.append(Axis(number, field, f"{searched.kind}.{field}", law))

    @property
    def size(self) -> int | None:
        """How many points there are; ``None``: a continuum."""
        sizes = [axis.domain.size for axis in self.axes]
        known = [size for size in sizes if size is not None]
        return prod(known) if len(known) == len(sizes) else None

    @property
    def real_axes(self) -> list[Axis]:
        """Those that are data of a pack, and may change while it trains."""
        return [
            axis
            for axis in self.axes
            if axis.field in per_run_fields(REGULARIZERS[self._kinds[axis.regularizer]].config)
        ]

    def settle(self, values: Sequence[Any]) -> Setting:
        """The regularizers at a point.

        Raises:
            ValidationError: each value is allowed, but a regularizer refuses their combination.
        """
        fields = [
            dict.fromkeys(names) | fixed
            for names, fixed in zip(self._fields, self._fixed, strict=True)
        ]
        for axis, value in zip(self.axes, values, strict=True):
            fields[axis.regularizer][axis.field] = value
        return Setting(
            self.index,
            tuple(
                REGULARIZERS[kind].config(kind=kind, **given)
                for kind, given in zip(self._kinds, fields, strict=True)
            ),
        )

    def at(self, shares: Sequence[float]) -> Point:
        """The point whose values lie at these quantiles, each in [0, 1)."""
        drawn = (axis.domain.at(share) for axis, share in zip(self.axes, shares, strict=True))
        return Point(self.index, tuple(drawn))

    def examples(self) -> Iterator[Point]:
        """Points in which every example of every domain comes once: enough to check them all."""
        examples = [axis.domain.examples() for axis in self.axes]
        first = [values[0] for values in examples]
        yield Point(self.index, tuple(first))
        for place, values in enumerate(examples):
            for value in values[1:]:
                yield Point(self.index, (*first[:place], value, *first[place + 1 :]))

    def points(self) -> Iterator[Point]:
        """Every point, in order; none of a continuum."""
        domains = [axis.domain for axis in self.axes]
        if self.size is not None:
            grids = [d.values for d in domains if not isinstance(d, Uniform)]
            yield from (Point(self.index, values) for values in itertools.product(*grids))

    def find(self, content: Sequence[Mapping[str, Any]]) -> Point | None:
        """The point at which a record's regularizers lie; ``None``: not in this entry."""
        if [each["kind"] for each in content] != self._kinds:
            return None
        for given, fixed in zip(content, self._fixed, strict=True):
            if any(not _same(given.get(field), value) for field, value in fixed.items()):
                return None
        values = []
        for axis in self.axes:
            recorded = content[axis.regularizer].get(axis.field)
            if isinstance(axis.domain, Choice):
                fitting = [value for value in axis.domain.values if _same(recorded, value)]
                if not fitting:
                    return None
                recorded = fitting[0]
            elif not axis.domain.has(recorded):
                return None
            values.append(recorded)
        return Point(self.index, tuple(values))


class Space:
    """All entries of a search space."""

    def __init__(self, entries: Sequence[Sequence[Searched]]) -> None:
        self.entries = [Entry(index, entry) for index, entry in enumerate(entries)]

    @property
    def size(self) -> int | None:
        """How many points there are; ``None``: a continuum."""
        sizes = [entry.size for entry in self.entries]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def labels(self) -> list[str]:
        """A name for each entry; those that apply the same regularizers are numbered from 2."""
        seen = Counter[str]()
        labels = []
        for entry in self.entries:
            seen[entry.label] += 1
            again = f" ({seen[entry.label]})" if seen[entry.label] > 1 else ""
            labels.append(f"{entry.label}{again}")
        return labels

    def settle(self, point: Point) -> Setting:
        """The regularizers at a point; raises ``ValidationError`` as ``Entry.settle``."""
        return self.entries[point.entry].settle(point.values)

    def examples(self) -> Iterator[Point]:
        """Enough points to check every value that the space has, or every kind of it."""
        for entry in self.entries:
            yield from entry.examples()

    def points(self) -> Iterator[Point]:
        """Every point of the entries that are no continuum."""
        for entry in self.entries:
            yield from entry.points()

    def find(self, content: Sequence[Mapping[str, Any]]) -> Point | None:
        """Where a record's regularizers lie; ``None``: nowhere in this space."""
        found = (entry.find(content) for entry in self.entries)
        return next((point for point in found if point is not None), None)

    def place(self, written: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Point:
        """Where a setting lies that is written as an entry with one value for each field.

        Raises:
            ValueError: nowhere; the message says why.
        """
        content = []
        for each in [written] if isinstance(written, Mapping) else written:
            config = REGULARIZERS[str(each.get("kind"))].config
            try:
                content.append(config.model_validate(dict(each)).model_dump(mode="json"))
            except ValidationError as failed:
                raise ValueError("; ".join(sentences(failed, config, each))) from failed
        point = self.find(content)
        if point is None:
            kinds = " + ".join(str(each["kind"]) for each in content)
            raise ValueError(
                f"lies outside the search space: no entry of it has {kinds} with these values, "
                "the defaults of fields left out included"
            )
        return point


def _same(recorded: Any, value: Any) -> bool:
    """Whether a record's JSON value is the one that a file gives."""
    return bool(recorded == json.loads(json.dumps(value)))
