"""Report ``pareto``: which cells no other cell beats in every objective."""

from __future__ import annotations

import math
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
from regsearch.report.quantities import Quantity, check_quantity, known_quantity, title
from regsearch.report.stats import Array, spread
from regsearch.space import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LIKELY = 0.05
"""Share of the draws of seeds from which on a cell may be on the front."""


class Pareto(Kind):
    """Cells that are best under some weighting of the objectives, by facet."""

    kind: Literal["pareto"] = "pareto"
    objectives: Annotated[
        dict[str, Literal["maximize", "minimize"]],
        Field(min_length=2, description="column, or best, last10 ...: maximize or minimize"),
    ]


class Trade(NamedTuple):
    """One cell; means and standard deviations in the order of the objectives.

    ``chance`` is how often the cell is on the front when seeds are drawn again; NaN for one seed.
    """

    cell: str
    regularizer: str
    means: tuple[float, ...]
    sds: tuple[float, ...]
    n: int
    diverged: int
    front: bool
    chance: float

    @property
    def likely(self) -> bool:
        """Whether it is on the front, or may be: in at least 5 % of the draws of seeds."""
        return self.front or self.chance >= LIKELY


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
    for facet, part in factor_groups(cells, results.factors):
        values = np.stack([table.loc[part.index].to_numpy() for table in tables], -1)
        facets.append((facet, _trades(part, values, signs)))
    return ParetoInfo(objectives, [*config.objectives.values()], list(cells.varies), facets)


def non_dominated(points: Array) -> NDArray[np.bool_]:
    """Which rows of ``[N, D]`` (higher is better) no other row dominates; NaN never is.

    A row dominates another if it is as good in every column and better in one.
    """
    known = np.logical_and.reduce(np.isfinite(points), axis=1)
    front = known.copy()
    good = np.argsort(-np.where(known, points.sum(axis=1), -np.inf), kind="stable")
    for i in good[
        : known.sum()
    ]:  # whoever dominates a row comes before it, so few rows are looked at
        if front[i]:
            other = points[i]
            front &= ~((other >= points).all(axis=1) & (other > points).any(axis=1))
    return front


def front_chances(values: Array, draws: int = 500) -> Array:
    r"""How often each cell of ``values`` ``[cells, seeds, D]`` (higher is better) is on the front.

    Bootstrap: S seeds are drawn with replacement, the same ones for all cells, since runs of one
    seed share their data; cells are compared by the means over these. NaN for a single seed.
    """
    cells, seeds, _ = values.shape
    if seeds < 2:
        return np.full(cells, np.nan)
    rng = np.random.default_rng(0)
    counts, times = np.unique(
        rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws), axis=0, return_counts=True
    )
    known = np.isfinite(values)
    on_front = np.zeros(cells)
    for count, time in zip(counts, times, strict=True):
        weights = count[None, :, None] * known
        total = weights.sum(axis=1)
        means = np.where(known, values, 0.0) * weights
        points = np.where(total > 0, means.sum(axis=1) / np.maximum(total, 1), np.nan)
        on_front += time * non_dominated(points)
    return on_front / draws


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
    what = " and ".join(title(one.name).lower() for one in info.objectives)
    heading = f"Pareto front of {what}"
    if not any(trades for _, trades in info.facets):
        return [Section(heading, "No cell has a completed run yet.", [], [])]
    hover = {
        f"{i}:{trade.cell}": (trade.cell, f"{cells.label(trade.cell)} · {_words(info, trade)}")
        for i, (_, trades) in enumerate(info.facets)
        for trade in trades
    }
    goals = " against ".join(f"{what.label}" for what in info.objectives)
    stem = "pareto_" + "_".join(what.column.replace("@", "_epoch") for what in info.objectives)
    caption = f"{goals}: a point is a cell, numbered ones are on the front, ringed ones may be."
    picture = Picture(stem, caption, partial(draw_pareto, info), _data(info, cells), hover)
    return [Section(heading, _READING, [picture], [_table(results, cells, info)])]


_READING = (
    "A cell is on the front if no other cell is as good in every objective and better in one, "
    "judged by means over seeds; cells with diverged runs are kept off it and drawn as crosses. "
    "Bars are standard deviations over seeds. How sure the front is: seeds are drawn again with "
    "replacement, the same ones for all cells, and the table counts in how many draws a cell is on "
    "the front. Ringed cells are off it by their means, but on it in 5 % of the draws or more. "
    "Triangles at the edge are cells beyond it, far from the front."
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
    chances = front_chances(np.where(may[..., None], values * signs, np.nan))
    return [
        Trade(
            cell, part["regularizer"].iloc[i], tuple(mean[i].tolist()), tuple(sd[i].tolist()),
            int(n[i].min()), int(diverged[i]), bool(front[i]), float(chances[i]),
        )
        for i, cell in enumerate(part.index)
        if np.isfinite(mean[i]).all()
    ]  # fmt: skip


def _words(info: ParetoInfo, trade: Trade) -> str:
    pairs = zip(info.objectives, trade.means, trade.sds, strict=True)
    return ", ".join(f"{q.name} {q.pair(mean, sd)}" for q, mean, sd in pairs)


def _table(results: Results, cells: Cells, info: ParetoInfo) -> Table:
    rows: list[list[Entry]] = []
    for facet, trades in info.facets:
        if facet:
            rows.append([Entry(facet)])
        front = sorted((t for t in trades if t.front), key=lambda trade: trade.means[0])
        near = sorted((t for t in trades if t.likely and not t.front), key=lambda t: -t.chance)
        for i, trade in enumerate([*front, *near], 1):
            pairs = zip(info.objectives, trade.means, trade.sds, strict=True)
            numbers = [Entry(q.pair(mean, sd)) for q, mean, sd in pairs]
            command = repro_command(results, trade.cell)
            label = Entry(cells.label(trade.cell, results.factors))
            chance = Entry(f"{trade.chance:.0%}" if math.isfinite(trade.chance) else "–")  # noqa: RUF001
            number = Entry(str(i) if trade.front else "", strong=True)
            rows.append([number, label, *numbers, chance, Entry(command, code=True)])
    head = ["", "cell", *(what.label for what in info.objectives)]
    head += ["on the front, of draws of seeds", "one of its runs"]
    data = _data(info, cells)
    likely = {trade.cell for _, trades in info.facets for trade in trades if trade.likely}
    caption = "Cells on the front, numbered as in the picture, and those that may be."
    return Table(caption, head, rows, data[data["cell"].isin(likely)], "pareto_front")


def _data(info: ParetoInfo, cells: Cells) -> pd.DataFrame:
    rows = []
    for facet, trades in info.facets:
        for trade in trades:
            row: dict[str, object] = {"facet": facet, "cell": trade.cell}
            for what, mean, sd in zip(info.objectives, trade.means, trade.sds, strict=True):
                row |= {what.column: mean, f"{what.column}_sd": sd}
            rows.append(row | {"n": trade.n, "front": trade.front, "front_chance": trade.chance})
    frame = pd.DataFrame(rows)
    settings = [name for name in cells.settings if cells.frame[name].notna().any()]
    return frame.join(cells.frame[["regularizer", *settings]], on="cell")


REPORTS.add("pareto", Report(Pareto, "trade-off between two or more quantities", check, sections))
