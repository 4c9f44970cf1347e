"""The lines of learning curves: of which cells, over which runs, between which bands."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from regsearch.errors import UnknownName
from regsearch.registry import nearest
from regsearch.report._base import Results
from regsearch.report.cell_values import (
    Cells,
    factor_columns,
    factor_groups,
    rank_cells,
    seed_values,
    why_fewer,
)
from regsearch.report.quantities import Quantity, quantity
from regsearch.report.stats import Array, Method, centre, interval, spread, standard_error
from regsearch.space import Kind


class Curves(Kind):
    """Learning curves of the best cells, the baseline and the worst cell, by facet."""

    kind: Literal["curves"] = "curves"
    quantities: list[str] = Field(
        default_factory=list,
        description="what to draw; empty: the study's metric, on test and train",
    )
    best: Annotated[int, Field(ge=1, le=6, description="how many of the best cells")] = 3
    baseline: Annotated[str, Field(description="regularizer drawn for comparison")] = "none"
    over_seeds: Annotated[
        Literal["mean", "trimmed_mean"],
        Field(description="line: mean of the seeds, or without a tenth of them at each end"),
    ] = "mean"
    band: Annotated[
        Literal["sd", "se", "interval"],
        Field(description="around a line: standard deviation, standard error or 95 % interval"),
    ] = "sd"
    interval: Method = "t"


class Line(NamedTuple):
    """One cell: mean, standard deviation and band over its completed runs at each epoch.

    The band is NaN where one seed leaves it open. ``note`` says what became of runs that are not
    in the mean; ``lost`` holds the diverged ones, each as epochs and values up to the failure.
    """

    cell: str
    label: str
    role: str  # best, baseline, worst
    epochs: Array
    mean: Array
    sd: Array
    low: Array
    high: Array
    n: int
    note: str
    lost: list[tuple[Array, Array]]


class CurvesInfo(NamedTuple):
    """All that the picture shows: per facet its title and, per quantity, its lines."""

    quantities: list[Quantity]
    facets: list[tuple[str, list[list[Line]]]]


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
    without = [*results.factors, *factor_columns(cells, results.factors)]
    facets = [
        (
            facet,
            [
                [
                    _line(curves, cells.label(cell, without), cells, cell, role, q.name, config)
                    for cell, role in picks
                ]
                for q in shown
            ],
        )
        for facet, picks in chosen
    ]
    return CurvesInfo(shown, facets)


def _both_splits(results: Results) -> list[str]:
    """The metric, and the same on the training set where it is measured."""
    name = results.metric.name
    other = name.replace("test_", "train_").replace("validation_", "train_")
    return [n for n in dict.fromkeys([name, other]) if n in results.curves.columns] or [name]


def _choose(
    part: pd.DataFrame, values: pd.DataFrame, what: Quantity, config: Curves
) -> list[tuple[str, str]]:
    ranked = list(rank_cells(part, values, what).index)
    plain = list(part.index[part["regularizer"] == config.baseline])
    baseline = ([cell for cell in ranked if cell in plain] or plain)[:1]
    others = [cell for cell in ranked if cell not in baseline]
    best, rest = others[: config.best], others[config.best :]
    fallen = [cell for cell in part.index[part["diverged"] > 0] if cell not in baseline]
    worst = fallen[:1] or rest[-1:]
    roles = [(best, "best"), (baseline, "baseline"), (worst, "worst")]
    return [(cell, role) for picked, role in roles for cell in picked]


def _line(
    curves: pd.DataFrame,
    label: str,
    cells: Cells,
    cell: str,
    role: str,
    name: str,
    config: Curves,
) -> Line:
    mine = curves[curves["cell"] == cell]
    done = mine[mine["status"] == "completed"].pivot(index="epoch", columns="run", values=name)
    done = done.dropna(how="all")  # epochs at which it was not measured
    seeds = done.to_numpy(dtype=np.float64)
    low, high = _band(seeds, config)
    notes = [why_fewer(cells.frame.loc[cell].to_dict()), "one seed" if seeds.shape[1] == 1 else ""]
    lost = [
        (run["epoch"].to_numpy(dtype=np.float64), run[name].to_numpy(dtype=np.float64))
        for _, run in mine[(mine["status"] == "diverged") & mine[name].notna()].groupby("run")
    ]
    epochs = done.index.to_numpy(dtype=np.float64)
    return Line(
        cell,
        label,
        role,
        epochs,
        centre(seeds, config.over_seeds),
        spread(seeds).sd,
        low,
        high,
        seeds.shape[1],
        ", ".join(note for note in notes if note),
        lost,
    )


def _band(seeds: Array, config: Curves) -> tuple[Array, Array]:
    """Lower and upper edge at each epoch, of ``[epochs, S]``."""
    if config.band == "interval":
        return interval(seeds, config.over_seeds, config.interval)
    middle: Array = centre(seeds, config.over_seeds)
    sd, error = spread(seeds).sd, standard_error(seeds, config.over_seeds).size
    half = sd if config.band == "sd" else error
    return middle - half, middle + half
