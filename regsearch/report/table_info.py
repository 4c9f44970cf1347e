"""The numbers of a table: which cells are its rows, what they come to, how far from a baseline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from pydantic import Field

from regsearch.report._base import Results
from regsearch.report.axes import find_column
from regsearch.report.cell_values import (
    Cells,
    baseline_values,
    factor_columns,
    groups_by,
    rank_cells,
    seed_values,
)
from regsearch.report.quantities import Quantity, known_quantity, quantity
from regsearch.report.stats import (
    Array,
    Centre,
    Correction,
    Method,
    adjust,
    centre,
    difference,
    interval,
    spread,
    standard_error,
)
from regsearch.space import Kind

OVER_SEEDS = {"mean": "", "trimmed_mean": "trimmed mean", "max": "maximum", "min": "minimum"}
_WORD = re.compile(rf"^(?P<by>{'|'.join(get_args(Centre))})\((?P<word>[^()]+)\)$")


class TableReport(Kind):
    """Each regularizer at its best cell, or every cell; a factor's levels below or side by side."""

    kind: Literal["table"] = "table"
    metrics: list[str] = Field(
        default_factory=lambda: ["best", "last10", "gap"],
        min_length=1,
        description="last, best, last10, last10pct, gap, area, epoch:N or a column's name, as mean "
        "over seeds; max(best), min(...), trimmed_mean(last10pct): another number of the seeds",
    )
    rows: Annotated[
        Literal["best", "all"], Field(description="each regularizer's best cell, or every cell")
    ] = "best"
    columns: Annotated[
        str | None,
        Field(description="factor with its levels side by side, such as dataset.label_noise"),
    ] = None
    spread: Annotated[
        Literal["sd", "se", "interval"],
        Field(description="shown with a mean: standard deviation, standard error or 95 % interval"),
    ] = "sd"
    baseline: Annotated[str, Field(description="regularizer that rows are compared with")] = "none"
    correction: Correction = "holm"
    interval: Method = "t"


class Shown(NamedTuple):
    """One column of numbers: a quantity, and what the seeds come to."""

    what: Quantity
    by: Centre

    @property
    def column(self) -> str:
        """Its column among the numbers: ``test_accuracy_best_mean``."""
        return f"{self.what.column}_{self.by}"

    @property
    def is_best_epoch(self) -> bool:
        """Whether it is a mean of best epochs, to be told from the best of the mean curve."""
        return self.by == "mean" and self.what.summary == "best" and self.what.direction != 0

    @property
    def label(self) -> str:
        """``Test accuracy, best epoch, maximum over seeds (%)``."""
        words, over = self.what.words, OVER_SEEDS[self.by]
        unit = self.what.label.removeprefix(words)
        return f"{words}, {over} over seeds{unit}" if over else f"{words}{unit}"


def split_word(word: str) -> tuple[Centre, str]:
    """``max(best)`` as what is taken over seeds, and of which quantity; a plain word is a mean."""
    found = _WORD.match(word)
    if not found:
        return "mean", word
    by: Centre = found["by"]  # type: ignore[assignment]
    return by, found["word"].strip()


def shown_columns(config: TableReport, results: Results) -> list[Shown]:
    """What the columns are.

    Raises:
        UnknownName: the study measures no such quantity.
    """
    words = (split_word(word) for word in config.metrics)
    return [Shown(known_quantity(word, results), by) for by, word in words]


def table_info(results: Results, cells: Cells, config: TableReport) -> pd.DataFrame:
    """One row per printed cell: facet, level, cell, tried, numbers; then the contrast.

    ``tried`` counts the regularizer's cells with a value in that facet, among which the best was
    chosen by the study's metric. For each quantity: what the seeds come to, its standard error and
    95 % interval, and the ``sd`` and ``n`` of the seeds. ``difference``, ``low``, ``high`` and the
    corrected ``p`` compare with the baseline: with its best cell where rows are best cells, else
    with its cell under the same shared settings. A best epoch is given both ways: ``_mean`` is the
    mean of each run's own, ``_of_mean`` that of the mean curve.
    """
    judged = quantity(results.metric.at, results.metric)
    values = seed_values(results, cells, judged)
    frame, rivals = _chosen(results, cells, config, values, judged)
    for shown in shown_columns(config, results):
        frame = _with_numbers(frame, seed_values(results, cells, shown.what), shown, config)
        if shown.is_best_epoch and shown.what.name in results.curves:
            means = best_of_mean(results.curves, cells, shown.what)
            frame[f"{shown.what.column}_of_mean"] = frame["cell"].map(means)
    mine = values.reindex(frame["cell"]).to_numpy()
    delta = difference(mine, rivals, config.interval)
    tested = (frame["regularizer"] != config.baseline) & (frame["diverged"] == 0)
    return frame.assign(
        difference=delta.mean,
        half_width=delta.half_width,
        low=delta.low,
        high=delta.high,
        p=adjust(np.where(tested, delta.p, np.nan), config.correction),
    )


def best_of_mean(curves: pd.DataFrame, cells: Cells, what: Quantity) -> pd.Series[float]:
    r"""By cell, the best epoch of the mean curve over completed runs, as trajectory plots show it.

    .. math:: \max_t \tfrac1S \sum_s c_s(t) \le \tfrac1S \sum_s \max_t c_s(t)
    """
    done = cells.runs.loc[cells.runs["status"] == "completed", ["run", "cell"]]
    means = curves.merge(done, on="run").groupby(["cell", "epoch"])[what.name].mean()
    by_cell = means.groupby("cell")
    return by_cell.max() if what.direction > 0 else by_cell.min()


def level_columns(config: TableReport, cells: Cells) -> list[str]:
    """The columns whose values stand side by side; none where the table is a plain list.

    Raises:
        UnknownName: the study has no such factor.
    """
    if config.columns is None:
        return []
    sections = {name.rpartition(".")[0] for name in cells.shared}
    name = config.columns
    return factor_columns(cells, [name if name in sections else find_column(name, cells.shared)])


def _chosen(
    results: Results, cells: Cells, config: TableReport, values: pd.DataFrame, judged: Quantity
) -> tuple[pd.DataFrame, Array]:
    """The cells of the table in its order, and for each the baseline's values ``[rows, S]``."""
    levels = level_columns(config, cells)
    facets = [name for name in factor_columns(cells, results.factors) if name not in levels]
    same = pd.DataFrame(baseline_values(cells, values, config.baseline), index=values.index)
    rows: list[pd.DataFrame] = [cells.frame.iloc[:0].assign(facet="", level="", tried=0)]
    rivals: list[Array] = [np.empty((0, values.shape[1]))]
    for facet, around in groups_by(cells.frame, facets):
        for level, part in groups_by(around, levels):
            plain = part[part["regularizer"] == config.baseline]
            best = list(rank_cells(plain, values, judged).index[:1])
            for _, mine in part.groupby("regularizer", sort=False):
                chosen = _rows_of(mine, values, judged, config).assign(facet=facet, level=level)
                rival = best or [""]  # no cell: no values
                by_row = config.rows == "all"
                against = same.loc[chosen.index] if by_row else values.reindex(rival * len(chosen))
                rows.append(chosen)
                rivals.append(against.to_numpy(dtype=np.float64))
    frame = pd.concat([part for part in rows if len(part)] or rows[:1])
    return frame.rename_axis("cell").reset_index(), np.concatenate(rivals)


def _rows_of(
    mine: pd.DataFrame, values: pd.DataFrame, judged: Quantity, config: TableReport
) -> pd.DataFrame:
    """The cells of one regularizer that are printed, with the number that were tried."""
    ranked = rank_cells(mine, values, judged).index
    tried = int(values.loc[mine.index].notna().any(axis=1).sum())
    chosen = ranked[:1] if config.rows == "best" else mine.index
    return mine.loc[chosen].assign(tried=tried)


def _with_numbers(
    frame: pd.DataFrame, values: pd.DataFrame, shown: Shown, config: TableReport
) -> pd.DataFrame:
    seeds = values.reindex(frame["cell"]).to_numpy()
    _, sd, n = spread(seeds)
    low, high = interval(seeds, shown.by, config.interval)
    found: dict[str, Array] = {
        shown.column: centre(seeds, shown.by),
        f"{shown.what.column}_sd": sd,
        f"{shown.what.column}_n": n.astype(int),
        f"{shown.column}_se": standard_error(seeds, shown.by).size,
        f"{shown.column}_low": low,
        f"{shown.column}_high": high,
    }
    return frame.assign(**found)


def levels_of(frame: pd.DataFrame, config: TableReport, cells: Cells) -> Sequence[str]:
    """Titles of the levels that stand side by side, in ascending order; [""] for a plain list."""
    titles = [title for title, _ in groups_by(cells.frame, level_columns(config, cells))]
    return [title for title in titles if (frame["level"] == title).any()]
