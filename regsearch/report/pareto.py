"""Report ``pareto``: which cells no other cell beats in every objective."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from regsearch.report._base import REPORTS, Entry, Picture, Report, Results, Section, Table
from regsearch.report.cell_values import Cells, factor_groups, gather_cells, seed_values
from regsearch.report.commands import repro_command
from regsearch.report.quantities import Quantity, check_quantity, known_quantity
from regsearch.report.stats import Array, spread
from regsearch.space import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Pareto(Kind):
    """Cells that are best under some weighting of the objectives, by facet."""

    kind: Literal["pareto"] = "pareto"
    objectives: Annotated[
        dict[str, Literal["maximize", "minimize"]],
        Field(min_length=2, description="column, or best, last10 ...: maximize or minimize"),
    ]


class Trade(NamedTuple):
    """One cell; means and standard deviations in the order of the objectives.

    ``wins`` counts the seeds with which, taken alone, the cell is on the front.
    """

    cell: str
    regularizer: str
    means: tuple[float, ...]
    sds: tuple[float, ...]
    n: int
    diverged: int
    front: bool
    wins: int


class ParetoInfo(NamedTuple):
    """All that the picture shows: by facet, its title and cells."""

    objectives: list[Quantity]
    goals: list[str]
    regularizers: list[str]
    facets: list[tuple[str, list[Trade]]]


def check(config: Pareto, columns: Sequence[str]) -> list[str]:
    """Objectives that a study with these columns does not measure."""
    return [
        f"objectives: {problem}"
        for word in config.objectives
        for problem in check_quantity(word, columns)
    ]


def pareto_info(results: Results, cells: Cells, config: Pareto) -> ParetoInfo:
    """Means over seeds and the front among the cells without a diverged run."""
    objectives = [known_quantity(word, results) for word in config.objectives]
    signs = np.array([1.0 if goal == "maximize" else -1.0 for goal in config.objectives.values()])
    tables = [seed_values(results, cells, what) for what in objectives]
    facets = []
    for title, part in factor_groups(cells, results.factors):
        values = np.stack([table.loc[part.index].to_numpy() for table in tables], -1)
        facets.append((title, _trades(part, values, signs)))
    return ParetoInfo(objectives, [*config.objectives.values()], list(cells.varies), facets)


def non_dominated(points: Array) -> NDArray[np.bool_]:
    """Which rows of ``[N, D]`` (higher is better) no other row dominates; NaN never is.

    A row dominates another if it is as good in every column and better in one.
    """
    known = np.logical_and.reduce(np.isfinite(points), axis=1)
    front = known.copy()
    for i in np.flatnonzero(known):
        if front[i]:
            other = points[i]
            front &= ~((other >= points).all(axis=1) & (other > points).any(axis=1))
    return front


def front(records: pd.DataFrame, objectives: dict[str, str]) -> pd.DataFrame:
    """Cells of ``records`` on the front, one row each: means over completed runs, and ``n``.

    ``objectives`` maps columns to ``maximize`` or ``minimize``. A cell with a diverged run is not
    on the front.
    """
    lost = set(records.loc[records["status"] == "diverged", "cell"])
    done = records[(records["status"] == "completed") & ~records["cell"].isin(lost)]
    groups = done.groupby("cell", sort=False)
    signs = np.array([1.0 if goal == "maximize" else -1.0 for goal in objectives.values()])
    means = groups[list(objectives)].mean()
    asked = groups.first().loc[:, :"seed"].iloc[:, :-1]  # what a cell is, without run and seed
    table = asked.drop(columns="run", errors="ignore").join(means)
    table["n"] = groups.size()
    return table[non_dominated(means.to_numpy(dtype=np.float64) * signs)].reset_index()


def sections(results: Results, config: Pareto) -> list[Section]:
    """The front by facet, and its cells with the command of one run each."""
    cells = gather_cells(results)
    info = pareto_info(results, cells, config)
    if not any(trades for _, trades in info.facets):
        return [Section("Pareto front", "No cell has a completed run yet.", [], [])]
    hover = {
        f"{i}:{trade.cell}": (trade.cell, f"{cells.label(trade.cell)} · {_words(info, trade)}")
        for i, (_, trades) in enumerate(info.facets)
        for trade in trades
    }
    goals = " against ".join(f"{what.label}" for what in info.objectives)
    stem = "pareto_" + "_".join(what.column.replace("@", "_epoch") for what in info.objectives)
    picture = Picture(stem, f"{goals}.", partial(draw_pareto, info), _data(info, cells), hover)
    return [Section("Pareto front", _READING, [picture], [_table(results, cells, info)])]


_READING = (
    "A cell is on the front if no other cell is as good in every objective and better in one, "
    "judged by means over seeds; cells with diverged runs are kept off it and drawn as crosses. "
    "Bars are standard deviations over seeds. How sure the front is: the table counts the seeds "
    "with which, taken alone, a cell is on it."
)


def draw_pareto(info: ParetoInfo) -> Figure:
    """Draw ``info``; matplotlib is imported here and not before."""
    from regsearch.report.pareto_drawing import draw

    return draw(info)


def _trades(part: pd.DataFrame, values: Array, signs: Array) -> list[Trade]:
    """Cells with a value in every objective; ``values`` is ``[cells, seeds, objectives]``."""
    mean, sd, n = spread(np.moveaxis(values, 1, -1))
    diverged = part["diverged"].to_numpy()
    may = (diverged == 0)[:, None]
    front = non_dominated(np.where(may, mean * signs, np.nan))
    alone = [
        non_dominated(np.where(may, values[:, s] * signs, np.nan)) for s in range(values.shape[1])
    ]
    wins = np.sum(alone, 0)
    return [
        Trade(
            cell, part["regularizer"].iloc[i], tuple(mean[i].tolist()), tuple(sd[i].tolist()),
            int(n[i].min()), int(diverged[i]), bool(front[i]), int(wins[i]),
        )
        for i, cell in enumerate(part.index)
        if np.isfinite(mean[i]).all()
    ]  # fmt: skip


def _words(info: ParetoInfo, trade: Trade) -> str:
    pairs = zip(info.objectives, trade.means, trade.sds, strict=True)
    return ", ".join(f"{q.name} {q.pair(mean, sd)}" for q, mean, sd in pairs)


def _table(results: Results, cells: Cells, info: ParetoInfo) -> Table:
    rows: list[list[Entry]] = []
    for title, trades in info.facets:
        front = [trade for trade in trades if trade.front]
        if title:
            rows.append([Entry(title)])
        for i, trade in enumerate(sorted(front, key=lambda trade: trade.means[0]), 1):
            pairs = zip(info.objectives, trade.means, trade.sds, strict=True)
            numbers = [Entry(q.pair(mean, sd)) for q, mean, sd in pairs]
            command = repro_command(results, trade.cell)
            label = Entry(cells.label(trade.cell, results.factors))
            seeds = Entry(f"{trade.wins} of {trade.n}")
            rows.append([Entry(str(i)), label, *numbers, seeds, Entry(command, code=True)])
    head = [
        "",
        "cell",
        *(what.label for what in info.objectives),
        "on front by seed",
        "one of its runs",
    ]
    data = _data(info, cells)
    front_data = data[data["front"].astype(bool)]
    return Table("Cells on the front.", head, rows, front_data, "pareto_front")


def _data(info: ParetoInfo, cells: Cells) -> pd.DataFrame:
    rows = []
    for title, trades in info.facets:
        for trade in trades:
            row: dict[str, object] = {"facet": title, "cell": trade.cell}
            for what, mean, sd in zip(info.objectives, trade.means, trade.sds, strict=True):
                row |= {what.column: mean, f"{what.column}_sd": sd}
            rows.append(row | {"n": trade.n, "front": trade.front, "seeds_on_front": trade.wins})
    frame = pd.DataFrame(rows)
    settings = [name for name in cells.settings if cells.frame[name].notna().any()]
    return frame.join(cells.frame[["regularizer", *settings]], on="cell")


REPORTS.add("pareto", Report(Pareto, "trade-off between two or more quantities", check, sections))
