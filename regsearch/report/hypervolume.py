r"""Report ``hypervolume``: how far the front had come after each finished run.

The hypervolume of a front is the measure of all points between it and a reference point, those that
some cell of the front dominates (Zitzler and Thiele, 1998):

.. math::
    H = \lambda\Bigl(
        \bigcup_{a \in \text{front}} [r_1, a_1] \times \dots \times [r_D, a_D]
    \Bigr)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from regsearch.report._base import REPORTS, Report, Results, Section
from regsearch.report.cell_values import Cells, factor_groups, gather_cells, seed_values
from regsearch.report.lines import Line, LinesInfo, Row, Scale, picture
from regsearch.report.pareto import non_dominated
from regsearch.report.quantities import Quantity, check_quantity, known_quantity
from regsearch.report.stats import Array, spread
from regsearch.space import Kind


class Hypervolume(Kind):
    """Hypervolume of the front by finished runs, of all cells and of each regularizer's."""

    kind: Literal["hypervolume"] = "hypervolume"
    objectives: Annotated[
        dict[str, Literal["maximize", "minimize"]],
        Field(
            min_length=2,
            max_length=3,
            description="column, or best, last10 ...: maximize or minimize",
        ),
    ]
    reference: dict[str, float] = Field(
        default_factory=dict,
        description="the reference point, by objective, in stored units (accuracy from 0 to 1); "
        "default: a tenth of the range of the means beyond the worst, by facet",
    )


class Arrivals(NamedTuple):
    """The cells of a facet whose runs have all ended, in the order in which they were complete.

    ``after`` ``[N]`` is how many runs of the study had ended by then, ``points`` ``[N, D]`` are
    means over seeds, higher is better, NaN where a run diverged.
    """

    cells: pd.Index[str]
    after: Array
    points: Array


def check(config: Hypervolume, columns: Sequence[str]) -> list[str]:
    """Objectives that a study with these columns does not measure, and references to others."""
    problems = [
        f"objectives: {problem}"
        for word in config.objectives
        for problem in check_quantity(word, columns)
    ]
    return problems + [
        f"reference: {word!r} is none of the objectives {', '.join(config.objectives)}"
        for word in config.reference
        if word not in config.objectives
    ]


def hypervolume(points: Array, reference: Array) -> float:
    """Measure of what ``points`` ``[N, D]``, higher is better, dominate beyond a ``reference``.

    Exact, by slices along the last axis; :math:`O(N^{D-1})` for a front of N points.
    """
    points = points[(points > reference).all(axis=1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(points.max() - reference[0])
    points = points[non_dominated(points)]
    points = points[np.argsort(-points[:, -1], kind="stable")]
    depths = points[:, -1] - np.append(points[1:, -1], reference[-1])
    return sum(
        float(depth) * hypervolume(points[: i + 1, :-1], reference[:-1])
        for i, depth in enumerate(depths)
        if depth
    )


def hypervolumes(points: Array, reference: Array) -> Array:
    """Hypervolume of the first 1, 2, ... N of ``points`` ``[N, D]``, computed where it can grow."""
    found, front = np.zeros(len(points)), points[:0]
    for i, point in enumerate(points):
        found[i] = found[i - 1] if i else 0.0
        beaten = (front >= point).all(axis=1).any()
        if np.isfinite(point).all() and not beaten:
            front = np.vstack([front[~(front <= point).all(axis=1)], point])
            found[i] = hypervolume(front, reference)
    return found


def arrivals(results: Results, part: pd.DataFrame, tables: list[pd.DataFrame]) -> Arrivals:
    """When each cell of ``part`` was complete, and its mean in each of ``tables``."""
    ended = results.records.sort_values("finished", kind="stable")
    counted = pd.Series(np.arange(1, len(ended) + 1), index=ended["cell"])
    last = counted.groupby(level=0).max()
    whole = part.index[(part["missing"] == 0) & part.index.isin(last.index)]
    after = last.loc[whole].sort_values()
    means = [spread(table.loc[after.index].to_numpy()).mean for table in tables]
    sound = (part.loc[after.index, "diverged"] == 0).to_numpy()
    points = np.where(sound[:, None], np.stack(means, -1), np.nan)
    return Arrivals(after.index, after.to_numpy(dtype=np.float64), points)


def hypervolume_info(
    results: Results, cells: Cells, config: Hypervolume
) -> tuple[LinesInfo, list[Quantity], list[Array]]:
    """The lines, the objectives, and the reference point of each facet in stored units.

    Volumes are shares of the box from the reference point to the best seen in each objective.
    """
    objectives = [known_quantity(word, results) for word in config.objectives]
    signs = np.array([1.0 if goal == "maximize" else -1.0 for goal in config.objectives.values()])
    pairs = zip(objectives, signs, strict=True)
    tables = [seed_values(results, cells, what) * sign for what, sign in pairs]
    given = np.array([config.reference.get(word, np.nan) for word in config.objectives]) * signs
    total, facets, references = len(results.records), [], []
    for facet, part in factor_groups(cells, results.factors):
        arrived = arrivals(results, part, tables)
        known = arrived.points[np.isfinite(arrived.points).all(axis=1)]
        if not len(known):
            continue
        beyond = known.min(axis=0) - 0.1 * np.ptp(known, axis=0)
        reference = np.where(np.isfinite(given), given, beyond)
        box = float(np.prod(np.maximum(known.max(axis=0) - reference, 0)))
        names = part.loc[arrived.cells, "regularizer"].to_numpy()
        lines = [_line("all", -1, arrived, reference, box, total)]
        for kind, name in enumerate(cells.varies):
            if (names == name).any() and len(set(names)) > 1:
                own = Arrivals(*(field[names == name] for field in arrived))
                lines.append(_line(name, kind, own, reference, box, total))
        facets.append((facet, [lines]))
        references.append(reference * signs)
    row = Row("hypervolume", "Hypervolume (% of the box)", 100.0, fraction=True)
    return LinesInfo("finished runs", Scale(), None, [row], facets, True), objectives, references


def _line(
    name: str, kind: int, arrived: Arrivals, reference: Array, box: float, total: int
) -> Line:
    """From the start to the last run of the study."""
    volumes = hypervolumes(arrived.points, reference) / (box or 1.0)
    x = np.concatenate([[0.0], arrived.after, [float(total)]])
    y = np.concatenate([[0.0], volumes, volumes[-1:]])
    cells = ["", *arrived.cells, ""]
    return Line(name, kind, x, y, np.full(len(x), np.nan), np.ones(len(x)), cells)


def sections(results: Results, config: Hypervolume) -> list[Section]:
    """One picture, a panel per facet."""
    cells = gather_cells(results)
    info, objectives, references = hypervolume_info(results, cells, config)
    if not info.facets:
        return [Section(_TITLE, "No cell has ended all of its runs yet.", [], [])]
    goals = " and ".join(
        f"{what.words.lower()} ({goal}d)"
        for what, goal in zip(objectives, config.objectives.values(), strict=True)
    )
    where = "; ".join(
        (f"{facet}: " if facet else "")
        + ", ".join(_text(q, value) for q, value in zip(objectives, reference, strict=True))
        for (facet, _), reference in zip(info.facets, references, strict=True)
    )
    beyond = "a tenth of the range beyond the worst mean of a cell"
    origin = "given" if len(config.reference) == len(objectives) else beyond
    caption = (
        f"Hypervolume of the front of {goals} after each finished run, as a share of the box from "
        f"the reference point ({origin}: {where}) to the best mean in each objective."
    )
    stem = "hypervolume_" + "_".join(what.column.replace("@", "_epoch") for what in objectives)
    return [Section(_TITLE, _READING, [picture(stem, caption, info, {})], [])]


def _text(what: Quantity, value: float) -> str:
    return f"{what.text(value)} %" if what.percent else what.text(value)


_TITLE = "Hypervolume of the front"
_READING = (
    "How much the search had found by then: the volume that the front dominates, by means over "
    "seeds. A cell counts from the moment its last run ended, and never with a diverged run. The "
    "grey line is the front of all cells, the others are those of each regularizer alone. A line "
    "that has long been flat says that more runs of its kind would find little."
)

REPORTS.add(
    "hypervolume",
    Report(Hypervolume, "growth of the Pareto front with finished runs", check, sections),
)
