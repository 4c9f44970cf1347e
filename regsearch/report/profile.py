"""Report ``profile``: measured quantities against one hyper-parameter, a line per regularizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from regsearch.errors import UnknownName
from regsearch.registry import nearest
from regsearch.regularizers import REGULARIZERS
from regsearch.report._base import REPORTS, Picture, Report, Results, Section
from regsearch.report.axes import check_regularizers, chosen_regularizers
from regsearch.report.cell_values import (
    Cells,
    facet_title,
    factor_groups,
    gather_cells,
    rank_cells,
    seed_values,
)
from regsearch.report.lines import Line, LinesInfo, fit_scale, picture, row_of
from regsearch.report.quantities import (
    check_quantity,
    known_quantity,
    quantity,
    title,
)
from regsearch.report.stats import spread
from regsearch.space import Kind

MAX_LINES = 24
"""More lines than this in one panel cannot be told apart."""


class Profile(Kind):
    """Quantities by the values of one hyper-parameter or factor, by facet."""

    kind: Literal["profile"] = "profile"
    x: Annotated[
        str | list[str],
        Field(
            min_length=1,
            description="hyper-parameter or factor, as decay or weight_decay.decay; several where "
            "regularizers name it differently, as [decay, strength]",
        ),
    ]
    y: list[str] = Field(
        default_factory=list,
        description="last, best, last10 ..., or a column's name; empty: the study's metric",
    )
    regularizers: list[str] = Field(default_factory=list, description="empty: all of the study")
    others: Annotated[
        Literal["best", "each"],
        Field(
            description="where more hyper-parameters vary: the best cell by the study's metric at "
            "each x, or a line for each of their settings"
        ),
    ] = "best"
    band: Annotated[
        Literal["sd", "error"],
        Field(description="standard deviation over seeds, or standard error of their mean"),
    ] = "sd"

    @property
    def names(self) -> list[str]:
        """What x may be called."""
        return [self.x] if isinstance(self.x, str) else self.x


class Judged:
    """A study, and what its cells are ranked by."""

    def __init__(self, results: Results, cells: Cells) -> None:
        self.results, self.cells = results, cells
        self.what = quantity(results.metric.at, results.metric)
        self.values = seed_values(results, cells, self.what)

    def best(self, part: pd.DataFrame) -> str | None:
        """The best cell of ``part`` without a diverged run."""
        ranked = rank_cells(part, self.values, self.what).index
        return str(ranked[0]) if len(ranked) else None

    def best_at(self, part: pd.DataFrame, column: str) -> dict[float, str | None]:
        """The best cell at each value of ``column`` at which a run has ended."""
        values, found = part[column].to_numpy(dtype=np.float64), {}
        for x in np.unique(values[np.isfinite(values)]).tolist():
            some = part[values == x]
            best = self.best(some)
            if best or some["diverged"].any():
                found[x] = best
        return found


def check(config: Profile, columns: Sequence[str]) -> list[str]:
    """Names that a study with these columns does not have."""
    roots = {*REGULARIZERS, "dataset", "model", "train"}
    settings = [name for name in columns if name.partition(".")[0] in roots]
    bare = [name.rpartition(".")[2] for name in settings]
    problems = [
        f"x: no hyper-parameter or factor named {name!r}.{nearest(name, [*bare, *settings])} "
        f"Known: {', '.join(settings)}"
        for name in config.names
        if name not in (*settings, *bare)
    ]
    for i, word in enumerate(config.y):
        problems += [f"y[{i}]: {problem}" for problem in check_quantity(word, columns)]
    return problems + check_regularizers(config.regularizers, columns)


def x_column(cells: Cells, regularizer: str, names: Sequence[str]) -> str | None:
    """The column of numbers that x is for ``regularizer``; ``None`` where it has none.

    Raises:
        UnknownName: it has several, as two methods applied together may.
    """
    mine = cells.frame[cells.frame["regularizer"] == regularizer]
    found = [
        name
        for name in cells.settings
        if (name in names or name.rpartition(".")[2] in names)
        and mine[name].notna().any()
        and pd.api.types.is_numeric_dtype(mine[name])
        and not pd.api.types.is_bool_dtype(mine[name])
    ]
    exact = [name for name in found if name in names] or found
    if len(exact) > 1:
        raise UnknownName(
            f"x: for {regularizer} it may be {' or '.join(exact)}; write one of them in full"
        )
    return exact[0] if exact else None


def profile_info(results: Results, cells: Cells, config: Profile) -> LinesInfo:
    """The lines of every facet and quantity.

    Raises:
        UnknownName: x, a quantity or a regularizer is none of this study's.
    """
    judged = Judged(results, cells)
    kinds = chosen_regularizers(cells, config.regularizers)
    columns = {name: x_column(cells, name, config.names) for name in kinds}
    used = list(dict.fromkeys(column for column in columns.values() if column))
    if not used:
        raise UnknownName(f"no number named {' or '.join(config.names)} in the cells of this study")
    apart = cells._replace(shared=[name for name in cells.shared if name not in used])
    shown = [known_quantity(word, results) for word in config.y or [results.metric.at]]
    tables = [seed_values(results, cells, what) for what in shown]
    facets: list[tuple[str, list[list[Line]]]] = []
    for facet, part in factor_groups(apart, results.factors):
        picked = [
            pick
            for name in kinds
            for pick in _picks(judged, part[part["regularizer"] == name], columns[name], config)
        ]
        facets.append(
            (facet, [[pick.line(table, kinds, config.band) for pick in picked] for table in tables])
        )
    x = np.unique(pd.concat([cells.frame[name] for name in used]).dropna().to_numpy(np.float64))
    means = [
        np.concatenate([ln.mean for _, rows in facets for ln in rows[i]] or [x[:0]])
        for i in range(len(shown))
    ]
    rows = [row_of(what, mean) for what, mean in zip(shown, means, strict=True)]
    return LinesInfo(_x_label(used), fit_scale(x), x, rows, facets)


class Pick(NamedTuple):
    """The cells of one line: at each x the cell, or none where every one has a diverged run.

    A line whose only x is NaN is a level.
    """

    regularizer: str
    name: str
    among: tuple[int, int]
    cells: dict[float, str | None]

    def line(self, values: pd.DataFrame, kinds: dict[str, int], band: str) -> Line:
        """Mean and band of ``values``, by cell and seed."""
        known = {x: cell for x, cell in self.cells.items() if cell}
        cells, lost = list(known.values()), [x for x, cell in self.cells.items() if not cell]
        mean, half, n = spread(values.loc[cells].to_numpy())
        if band == "error":
            half = half / np.sqrt(np.maximum(n, 1))
        x = np.array([x for x in known if np.isfinite(x)])
        kind = kinds[self.regularizer]
        return Line(self.name, kind, x, mean, half, n, cells, self.among, lost)


def _picks(
    judged: Judged, mine: pd.DataFrame, column: str | None, config: Profile
) -> Iterator[Pick]:
    """The lines of one regularizer, whose cells of a facet are ``mine``."""
    if not len(mine):
        return
    name = str(mine["regularizer"].iloc[0])
    if column is None:
        if best := judged.best(mine):
            yield Pick(
                name, judged.cells.label(best, judged.results.factors), (0, 1), {np.nan: best}
            )
        return
    rest = [other for other in judged.cells.own(name) if other != column]
    if config.others == "best" or not rest:
        tuned = " and ".join(other.rpartition(".")[2] for other in rest)
        words = f"{name}, best {tuned}" if rest else name
        yield Pick(name, words, (0, 1), judged.best_at(mine, column))
        return
    groups = list(mine.groupby(rest, dropna=False))
    for place, (key, part) in enumerate(groups):
        words = facet_title(rest, key).replace(" = ", "=").replace(",", "")
        yield Pick(name, f"{name} {words}", (place, len(groups)), judged.best_at(part, column))


def sections(results: Results, config: Profile) -> list[Section]:
    """One picture, a row for each quantity."""
    cells = gather_cells(results)
    info = profile_info(results, cells, config)
    lines = max(len(rows[0]) for _, rows in info.facets)
    heading = f"Profile over {info.x}"
    if lines > MAX_LINES:
        text = (
            f"{lines} lines, of which more than {MAX_LINES} cannot be told apart: write "
            "others: best, or name fewer regularizers."
        )
        return [Section(heading, text, [], [])]
    if not any(len(line.x) for _, rows in info.facets for line in rows[0]):
        return [Section(heading, "No cell has a completed run yet.", [], [])]
    stem = "profile_" + "_".join(row.name.replace("@", "_epoch") for row in info.rows)
    words = {str(cell): cells.label(str(cell)) for cell in cells.frame.index}
    one: Picture = picture(f"{stem}_by_{info.x.split()[0]}", _caption(info), info, words)
    return [Section(heading, _READING.format(band=_BANDS[config.band]), [one], [])]


_BANDS = {"sd": "one standard deviation", "error": "one standard error of the mean"}
_READING = (
    "Means over the seeds of a cell that ran to the end, with a band of {band}, at the tested "
    "values. A regularizer without this hyper-parameter is a dashed level, at its best cell by the "
    "study's metric."
)


def _caption(info: LinesInfo) -> str:
    names = " and ".join(_words(row.name) for row in info.rows)
    parts = [f"{names[:1].upper()}{names[1:]} against {info.x}: a point is the mean of a cell"]
    if any(", best " in line.name for _, rows in info.facets for line in rows[0]):
        parts.append("of those that differ in other settings, the best by the study's metric")
    if info.scale.log and info.ticks is not None and info.ticks[0] == 0:
        parts.append("zero stands left of the break in the axis")
    if any(line.lost for _, rows in info.facets for line in rows[0]):
        parts.append("a cross on the axis: runs diverged in every cell there")
    return f"{'; '.join(parts)}."


def _words(column: str) -> str:
    return title(column).lower()


def _x_label(columns: list[str]) -> str:
    """``decay``, or ``decay or strength``."""
    names = dict.fromkeys(name.rpartition(".")[2].replace("_", " ") for name in columns)
    return " or ".join(names)


REPORTS.add(
    "profile",
    Report(Profile, "quantities against one hyper-parameter", check, sections, of_settings=True),
)
