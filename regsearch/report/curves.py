"""Report ``curves``: how runs got to where they ended, for the cells that matter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from regsearch.registry import nearest
from regsearch.report._base import REPORTS, Picture, Report, Results, Section
from regsearch.report.cell_values import gather_cells
from regsearch.report.curves_info import Curves, CurvesInfo, curves_info
from regsearch.report.quantities import title
from regsearch.report.stats import interval_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check(config: Curves, columns: Sequence[str]) -> list[str]:
    """Quantities that a study with these columns does not measure."""
    return [
        f"quantities[{i}]: no measured quantity named {name!r}.{nearest(name, columns)}"
        for i, name in enumerate(config.quantities)
        if name not in columns
    ]


def sections(results: Results, config: Curves) -> list[Section]:
    """Learning curves with bands over seeds."""
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
    return [Section("Learning curves", _reading(config), [picture], [])]


def _reading(config: Curves) -> str:
    band = {
        "sd": "one standard deviation to each side",
        "se": "one standard error to each side",
        "interval": f"the {interval_words(config.interval)} at each epoch",
    }[config.band]
    line = {
        "mean": "Means over the runs that ran to the end",
        "trimmed_mean": "Means over the runs that ran to the end, without the lowest and the "
        "highest tenth of them at each epoch",
    }[config.over_seeds]
    return (
        f"{line}, with a band of {band}: the best cells by the study's metric, the baseline "
        "(dashed) and the worst cell (grey), which is one with a diverged run where there is one. "
        "A run that diverged is drawn up to the epoch before, marked by a cross."
    )


def draw_curves(info: CurvesInfo) -> Figure:
    """Draw ``info``; matplotlib is imported here and not before."""
    from regsearch.report.curves_drawing import draw

    return draw(info)


def _data(info: CurvesInfo) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {
                "epoch": line.epochs.astype(int),
                **{name: getattr(line, name) for name in ("mean", "sd", "low", "high")},
            }
        ).assign(
            facet=facet,
            quantity=what.name,
            cell=line.cell,
            label=line.label,
            n=line.n,
            note=line.note,
        )
        for facet, rows in info.facets
        for what, lines in zip(info.quantities, rows, strict=True)
        for line in lines
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


REPORTS.add("curves", Report(Curves, "learning curves of the cells that matter", check, sections))
