"""Report ``histograms``: how weights are distributed by cell, or local Lipschitz constants."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import pandas as pd
from pydantic import Field

from regsearch.report._base import REPORTS, Picture, Report, Results, Section
from regsearch.report.cell_values import gather_cells
from regsearch.report.histograms_info import HistogramInfo, Row, histogram_info
from regsearch.space import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = {"weights": 24, "lipschitz": 8}
"""Cells that are drawn in one picture, or on one pair of axes."""

MEASURED_AS = {"weights": ("peak_share", "histograms"), "lipschitz": ("lipschitz_max", "lipschitz")}
"""A quantity that a study has where it has the histograms, and the measurement of both."""


class HistogramReport(Kind):
    """What is distributed, in which cells; those runs of a cell that went to the end together."""

    kind: Literal["histograms"] = "histograms"
    of: Annotated[
        Literal["weights", "lipschitz"],
        Field(
            description="weights, as the measurement `histograms` counts them by layer; or local "
            "constants over test examples, as `lipschitz` does"
        ),
    ]
    cells: Annotated[
        Literal["best", "all"] | list[str],
        Field(
            description="best: each regularizer's by the study's metric, without diverged runs; "
            "all; or a list of labels as the report writes them, such as `volumization v=0.5 "
            "alpha=0`"
        ),
    ] = "best"
    layers: list[str] = Field(
        default=[],
        description="of weights: names or shell patterns, such as `*.weight`; empty: all, or where "
        "they are more than six, six matrices from first to last",
    )


def check(config: HistogramReport, columns: Sequence[str]) -> list[str]:
    """What a study with these columns does not measure."""
    quantity, measurement = MEASURED_AS[config.of]
    if quantity in columns:
        return []
    return [f"of: {config.of} is not measured; add {{kind: {measurement}}} to `measure`"]


def sections(results: Results, config: HistogramReport) -> list[Section]:
    """One picture per facet of the weights; one for all facets of the constants."""
    cells = gather_cells(results)
    title = {"weights": "Weights by layer", "lipschitz": "Local Lipschitz constants"}[config.of]
    layers = config.layers if config.of == "weights" else []
    info = histogram_info(results, cells, config.of, config.cells, layers)
    if not info.facets:
        return [Section(title, "No run with histograms has gone to the end yet.", [], [])]
    kept = [(facet, rows[: MOST[config.of]]) for facet, rows in info.facets]
    together = [kept] if config.of == "lipschitz" else [[facet] for facet in kept]
    pictures = [
        Picture(
            f"histograms_{config.of}",
            _caption(title, facets, info),
            partial(draw_histograms, part),
            _data(part),
        )
        for facets in together
        for part in [info._replace(facets=facets)]
    ]
    return [Section(title, READING[config.of], pictures, [])]


READING = {
    "weights": (
        "Share of a layer's weights in each bin, on a logarithmic scale, of all runs of a cell "
        "that went to the end; bins and scales are the same down a column and in all pictures. "
        "The number beside a matrix or kernel is the share of weights within 1 % of the largest "
        "magnitude of their layer and run: hard walls gather weights there, soft ones let some "
        "beyond."
    ),
    "lipschitz": (
        "Share of test examples by the largest singular value of the logits' Jacobian there, in "
        "all runs of a cell that went to the end. Triangles above: mean over runs of the "
        "median (filled) and of the 95th percentile (open)."
    ),
}


def draw_histograms(info: HistogramInfo) -> Figure:
    """Draw ``info``; matplotlib is imported here and not before."""
    from regsearch.report.histograms_drawing import draw

    return draw(info)


def _caption(title: str, facets: list[tuple[str, list[Row]]], info: HistogramInfo) -> str:
    where = f", {facets[0][0]}" if len(facets) == 1 and facets[0][0] else ""
    shown, there = (max(len(rows) for _, rows in some) for some in (facets, info.facets))
    return f"{title}{where}." + (f" The first {shown} of {there} cells." if shown < there else "")


def _data(info: HistogramInfo) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {"low": found.edges[:-1], "high": found.edges[1:], "count": found.counts}
        ).assign(facet=facet, cell=row.cell, label=row.label, runs=row.runs, name=name)
        for facet, rows in info.facets
        for row in rows
        for name, found in row.found.items()
    ]
    return pd.concat(frames, ignore_index=True)


REPORTS.add(
    "histograms",
    Report(HistogramReport, "distributions of weights or of Lipschitz constants", check, sections),
)
