"""Which hyper-parameters span a diagram, and which values split it into facets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from regsearch.errors import UnknownName
from regsearch.registry import nearest
from regsearch.regularizers import REGULARIZERS
from regsearch.report.cell_values import Cells, facet_title


class Axes(NamedTuple):
    """One regularizer's plane (``y`` is ``None`` for a line) and the columns that facet it."""

    regularizer: str
    x: str
    y: str | None
    facets: list[str]


def find_column(name: str, columns: Iterable[str], regularizer: str | None = None) -> str:
    """The column that ``name`` means: its full name, or a hyper-parameter's bare name.

    Raises:
        UnknownName: no column, or several regularizers, have it.
    """
    columns = list(columns)
    if name in columns:
        return name
    kinds = regularizer.split(" + ") if regularizer else None
    found = [c for c in columns if c.rpartition(".")[2] == name]
    if kinds is not None:
        found = [c for c in found if c.split(".")[0] in kinds] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownName(
            f"{name!r} is ambiguous: it may be {' or '.join(found)}. Write one of them in full, "
            "or say which `regularizer:` is meant"
        )
    bare = {c.rpartition(".")[2]: c for c in columns}
    raise UnknownName(
        f"no hyper-parameter or factor named {name!r}.{nearest(name, [*bare, *columns])} "
        f"Known: {', '.join(columns) or 'none'}"
    )


def check_axes(
    x: str | None, y: str | None, regularizer: str | None, columns: Sequence[str]
) -> list[str]:
    """What is wrong with these axes in a study that has these columns."""
    problems = []
    if y is not None and x is None:
        problems.append(f"y: {y!r} needs an x beside it")
    kinds = regularizer.split(" + ") if regularizer else _shared_kind(x, y, columns)
    scope = " + ".join(kinds) if kinds else None
    for axis, name in (("x", x), ("y", y)):
        if name is not None:
            try:
                find_column(name, columns, scope)
            except UnknownName as error:
                problems.append(f"{axis}: {error}")
    return problems


def check_regularizers(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Kinds that a study with these columns does not apply; those without settings are believed."""
    applied = {name.partition(".")[0] for name in columns}
    known = [
        kind
        for kind in REGULARIZERS
        if kind in applied or set(REGULARIZERS[kind].config.model_fields) == {"kind"}
    ]
    return [
        f"regularizers[{i}]: no regularizer {kind!r} in this study.{nearest(kind, known)}"
        for i, name in enumerate(names)
        for kind in name.split(" + ")
        if kind not in known
    ]


def chosen_regularizers(cells: Cells, names: Sequence[str]) -> dict[str, int]:
    """Those to draw and their numbers in the study.

    Raises:
        UnknownName: the study has no such regularizer.
    """
    numbers = {name: i for i, name in enumerate(cells.varies)}
    for name in names:
        if name not in numbers:
            raise UnknownName(
                f"no regularizer {name!r} in this study.{nearest(name, numbers)} "
                f"Known: {', '.join(numbers)}"
            )
    return {name: i for name, i in numbers.items() if not names or name in names}


def choose_axes(cells: Cells, x: str | None, y: str | None, regularizer: str | None) -> Axes | None:
    """The axes of a diagram; without x and y, the first regularizer with two varying values.

    A study in which no regularizer has two gets a line over the first varying one; ``None`` where
    nothing varies.

    Raises:
        UnknownName: x, y or the regularizer is none of this study's.
    """
    names = list(cells.frame["regularizer"].unique())
    if regularizer is not None and regularizer not in names:
        raise UnknownName(
            f"no regularizer {regularizer!r} in this study.{nearest(regularizer, names)} "
            f"Known: {', '.join(names)}"
        )
    candidates = [regularizer] if regularizer else names
    if x is None:
        return _first_plane(cells, candidates)
    kinds = _shared_kind(x, y, cells.settings)
    scope = regularizer or (" + ".join(kinds) if kinds else None)
    columns = [find_column(name, cells.settings, scope) for name in (x, y) if name is not None]
    has = cells.frame.groupby("regularizer", sort=False)[columns].count().min(axis=1)
    chosen = [name for name in candidates if has.get(name, 0) > 0]
    if not chosen:
        return None
    kind = columns[0].split(".")[0]
    best = next((name for name in chosen if kind in name.split(" + ")), chosen[0])
    return _axes(cells, best, columns[0], columns[1] if y is not None else None)


def facet_groups(cells: Cells, axes: Axes) -> list[tuple[str, pd.DataFrame]]:
    """Title and cells of each facet, in ascending order of the facets' values."""
    mine = cells.frame[cells.frame["regularizer"] == axes.regularizer]
    if not axes.facets:
        return [("", mine)]
    groups = mine.groupby(axes.facets, sort=True, dropna=False)
    return [(facet_title(axes.facets, key), group) for key, group in groups]


def _first_plane(cells: Cells, names: Iterable[str]) -> Axes | None:
    own = {name: cells.own(name) for name in names}
    plane = next((name for name, columns in own.items() if len(columns) >= 2), None)
    line = next((name for name, columns in own.items() if columns), None)
    if plane is not None:
        return _axes(cells, plane, own[plane][0], own[plane][1])
    return _axes(cells, line, own[line][0], None) if line is not None else None


def _axes(cells: Cells, regularizer: str, x: str, y: str | None) -> Axes:
    facets = [name for name in cells.varying(regularizer) if name not in (x, y)]
    return Axes(regularizer, x, y, facets)


def _shared_kind(x: str | None, y: str | None, columns: Sequence[str]) -> list[str] | None:
    """The only regularizer that has both x and y, so that bare names need no prefix."""
    owners = [
        {c.split(".")[0] for c in columns if name in (c, c.rpartition(".")[2])}
        for name in (x, y)
        if name is not None
    ]
    shared = set.intersection(*owners) if owners else set()
    return sorted(shared) if len(shared) == 1 else None
