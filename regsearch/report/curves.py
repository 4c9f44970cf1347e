"""Report ``curves``: how runs got to where they ended, for the cells that matter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from regsearch.errors import UnknownName
from regsearch.registry import nearest
from regsearch.report._base import REPORTS, Picture, Report, Results, Section
from regsearch.report.cell_values import (
    Cells,
    factor_groups,
    gather_cells,
    rank_cells,
    seed_values,
)
from regsearch.report.quantities import Quantity, quantity, title
from regsearch.report.stats import Array, spread
from regsearch.space import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Curves(Kind):
    """Learning curves of the best cells, the baseline and the worst cell, by facet."""

    kind: Literal["curves"] = "curves"
    quantities: list[str] = Field(
        default_factory=list,
        description="what to draw; empty: the study's metric, on test and train",
    )
    best: Annotated[int, Field(ge=1, le=6, description="how many of the best cells")] = 3
    baseline: Annotated[str, Field(description="regularizer drawn for comparison")] = "none"


class Line(NamedTuple):
    """One cell: mean and standard deviation over its completed runs at each epoch.

    ``lost`` holds the diverged runs, each as epochs and values up to the failure.
    """

    cell: str
    label: str
    role: str  # best, baseline, worst
    epochs: Array
    mean: Array
    sd: Array
    n: int
    lost: list[tuple[Array, Array]]


class CurvesInfo(NamedTuple):
    """All that the picture shows: per facet its title and, per quantity, its lines."""

    quantities: list[Quantity]
    facets: list[tuple[str, list[list[Line]]]]


def check(config: Curves, columns: Sequence[str]) -> list[str]:
    """Quantities that a study with these columns does not measure."""
    return [
        f"quantities[{i}]: no measured quantity named {name!r}.{nearest(name, columns)}"
        for i, name in enumerate(config.quantities)
        if name not in columns
    ]


def curves_info(results: Results, cells: Cells, config: Curves) -> CurvesInfo:
    """The curves of the cells chosen in each facet by the study's metric.

    Raises:
        UnknownName: a quantity has no curve.
    """
    names = config.quantities or _both_splits(results)
    for name in names:
        if name not in results.curves.columns:
            known = [c for c in results.curves.columns if c not in ("run", "epoch")]
            raise UnknownName(
                f"no curve named {name!r}.{nearest(name, known)} Known: {', '.join(known)}"
            )
    what = quantity(results.metric.at, results.metric)
    values = seed_values(results, cells, what)
    chosen = [
        (facet, _choose(part, values, what, config))
        for facet, part in factor_groups(cells, results.factors)
    ]
    wanted = {cell for _, picks in chosen for cell, _ in picks}
    runs = cells.runs[cells.runs["cell"].isin(wanted)]
    curves = results.curves.merge(runs[["run", "cell", "status"]], on="run")
    shown = [quantity(name, results.metric) for name in names]
    without = tuple(results.factors)
    facets = [
        (
            facet,
            [
                [_line(curves, cells.label(c, without), c, role, q.name) for c, role in picks]
                for q in shown
            ],
        )
        for facet, picks in chosen
    ]
    return CurvesInfo(shown, facets)


def sections(results: Results, config: Curves) -> list[Section]:
    """Learning curves with bands of one standard deviation over seeds."""
    cells = gather_cells(results)
    if not len(results.curves):
        return [Section("Learning curves", "No run has finished an epoch yet.", [], [])]
    info = curves_info(results, cells, config)
    names = " and ".join(title(q.name).lower() for q in info.quantities)
    caption = f"{names[:1].upper()}{names[1:]} by epoch."
    draw = partial(draw_curves, info)
    picture = Picture(
        "curves_" + "_".join(q.name for q in info.quantities), caption, draw, _data(info)
    )
    return [Section("Learning curves", _READING, [picture], [])]


_READING = (
    "Means over the runs that ran to the end, with a band of one standard deviation: the best "
    "cells by the study's metric, the baseline (dashed) and the worst cell (grey). A run that "
    "diverged is drawn up to the epoch before, marked by a cross."
)


def draw_curves(info: CurvesInfo) -> Figure:
    """Draw ``info``; matplotlib is imported here and not before."""
    from regsearch.report.curves_drawing import draw

    return draw(info)


def _both_splits(results: Results) -> list[str]:
    """The metric, and the same on the training set where it is measured."""
    name = results.metric.name
    other = name.replace("test_", "train_").replace("validation_", "train_")
    return [n for n in dict.fromkeys([name, other]) if n in results.curves.columns] or [name]


def _choose(
    part: pd.DataFrame, values: pd.DataFrame, what: Quantity, config: Curves
) -> list[tuple[str, str]]:
    ranked = list(rank_cells(part, values, what).index)
    baseline = list(part.index[part["regularizer"] == config.baseline][:1])
    others = [cell for cell in ranked if cell not in baseline]
    best, rest = others[: config.best], others[config.best :]
    fallen = part.index[part["diverged"] > 0]
    worst = list(fallen[:1]) or rest[-1:]
    roles = [(best, "best"), (baseline, "baseline"), (worst, "worst")]
    return [(cell, role) for picked, role in roles for cell in picked]


def _line(curves: pd.DataFrame, label: str, cell: str, role: str, name: str) -> Line:
    mine = curves[curves["cell"] == cell]
    done = mine[mine["status"] == "completed"].pivot(index="epoch", columns="run", values=name)
    done = done.dropna(how="all")  # epochs at which it was not measured
    mean, sd, _ = spread(done.to_numpy(dtype=np.float64))
    lost = [
        (run["epoch"].to_numpy(dtype=np.float64), run[name].to_numpy(dtype=np.float64))
        for _, run in mine[(mine["status"] == "diverged") & mine[name].notna()].groupby("run")
    ]
    epochs = done.index.to_numpy(dtype=np.float64)
    return Line(cell, label, role, epochs, mean, sd, done.shape[1], lost)


def _data(info: CurvesInfo) -> pd.DataFrame:
    frames = [
        pd.DataFrame({"epoch": line.epochs.astype(int), "mean": line.mean, "sd": line.sd}).assign(
            facet=facet, quantity=what.name, cell=line.cell, label=line.label, n=line.n
        )
        for facet, rows in info.facets
        for what, lines in zip(info.quantities, rows, strict=True)
        for line in lines
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


REPORTS.add("curves", Report(Curves, "learning curves of the cells that matter", check, sections))
