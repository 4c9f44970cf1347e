"""Report ``importances``: which hyper-parameters and factors matter, by Optuna's evaluators.

fANOVA (Hutter, Hoos and Leyton-Brown, 2014) fits a random forest and splits the variance of its
predictions; PED-ANOVA (Watanabe, Bansal and Hutter, 2023) compares where the best cells lie with
where all lie. Only the latter knows hyper-parameters that some regularizers do not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from regsearch.report._base import REPORTS, Picture, Report, Results, Section
from regsearch.report.axes import check_regularizers, chosen_regularizers
from regsearch.report.cell_values import Cells, factor_groups, gather_cells, seed_values
from regsearch.report.quantities import Quantity, check_quantity, known_quantity
from regsearch.report.stats import Array, spread
from regsearch.space import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna.distributions import BaseDistribution

Goal = Literal["minimize", "maximize"]
METHODS = {"fanova": "fANOVA", "ped_anova": "PED-ANOVA"}
FEWEST, CELLS = 3, 10  # settings that vary, and cells with a value
TREES, SEEDS = 32, 5  # of the forest, and evaluated alone for the whiskers
TOP = 0.1  # share of the cells that are good to PED-ANOVA, but at least 5


class Importances(Kind):
    """What each varying setting explains of a quantity, by regularizer and across all."""

    kind: Literal["importances"] = "importances"
    method: Annotated[
        Literal["fanova", "ped_anova"],
        Field(
            description="fanova: shares of the variance over all cells; ped_anova: of what sets "
            "the best tenth of them apart"
        ),
    ]
    metric: Annotated[
        str | None,
        Field(description="last, best, last10 ..., or a column's name; null: the study's metric"),
    ] = None
    factors: Annotated[
        Literal["count", "subtract"],
        Field(
            description="count: a factor is a setting like others; subtract: each facet's mean is "
            "taken off first, so that what makes a task hard takes no share"
        ),
    ] = "count"
    regularizers: list[str] = Field(default_factory=list, description="empty: all of the study")


class Bars(NamedTuple):
    """One panel: shares by setting, the largest first, and their spread over single seeds.

    ``kind`` is the regularizer's number in the study, negative for all together. Of the cells,
    ``left_out`` have runs that diverged or have no value yet.
    """

    title: str
    kind: int
    method: str
    names: list[str]
    shares: Array
    sds: Array
    cells: int
    left_out: int


class ImportancesInfo(NamedTuple):
    """The panels, and why others are not there."""

    what: Quantity
    panels: list[Bars]
    refused: list[str]


def check(config: Importances, columns: Sequence[str]) -> list[str]:
    """Names that a study with these columns does not have."""
    problems = check_regularizers(config.regularizers, columns)
    if config.metric is not None:
        problems += [f"metric: {text}" for text in check_quantity(config.metric, columns)]
    return problems


def importances_info(results: Results, cells: Cells, config: Importances) -> ImportancesInfo:
    """A panel for each regularizer of which enough varies, and one across all, by PED-ANOVA.

    Raises:
        UnknownName: the metric or a regularizer is none of this study's.
    """
    what = known_quantity(config.metric or results.metric.at, results)
    goal: Goal = "minimize" if what.direction < 0 else "maximize"
    values = seed_values(results, cells, what).dropna(axis=1, how="all")
    hidden: set[str] = set()
    if config.factors == "subtract":
        hidden = set(cells.shared)
        for _, part in factor_groups(cells, results.factors):
            sound = values.loc[part.index[part["diverged"] == 0]].to_numpy()
            values.loc[part.index] -= float(spread(sound.ravel()).mean)
    kinds = chosen_regularizers(cells, config.regularizers)
    asked = [
        (name, kind, config.method, cells.frame["regularizer"] == name, cells.varying(name))
        for name, kind in kinds.items()
    ]
    if len(kinds) > 1:
        varying = dict.fromkeys(column for name in kinds for column in cells.varying(name))
        whole = cells.frame["regularizer"].isin(list(kinds))
        asked.append(("all regularizers", -1, "ped_anova", whole, ["regularizer", *varying]))
    panels, refused = [], []
    for title, kind, method, among, columns in asked:
        columns = [name for name in columns if name not in hidden]
        part = cells.frame[among]
        n = values.loc[part.index].notna().sum(axis=1)
        sound = part[(part["diverged"] == 0) & (n > 0) & (n == n.max())]
        if why := _too_little(title, sound, columns):
            refused.append(why)
            continue
        settings = sound[columns]
        shares, sds = _with_spread(settings, values.loc[sound.index].to_numpy(), goal, method)
        order = np.argsort(-shares, kind="stable")
        names = [_short(columns[i], title) for i in order]
        lost = len(part) - len(sound)
        panels.append(Bars(title, kind, method, names, shares[order], sds[order], len(sound), lost))
    return ImportancesInfo(what, panels, refused)


def evaluate(settings: pd.DataFrame, values: Array, goal: Goal, method: str) -> Array:
    """Share of each column of ``settings`` in what is explained of ``values`` ``[N]``; sums to 1.

    A number enters as its rank among the tested ones, so that each tested value counts the same
    however they are spaced. NaN: that cell has no such setting, which ``ped_anova`` alone allows.
    """
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    axes = {str(name): _axis(settings[name], method) for name in settings}
    loud = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction=goal)
        for i, value in enumerate(values.tolist()):
            mine = {n: codes[i] for n, (_, codes) in axes.items() if codes[i] is not None}
            study.add_trial(
                optuna.create_trial(
                    params=mine, distributions={n: axes[n][0] for n in mine}, value=value
                )
            )
        if method == "fanova":
            evaluator: Any = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
        else:
            evaluator = PedAnovaImportanceEvaluator(target_quantile=max(TOP, 5 / len(values)))
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    finally:
        optuna.logging.set_verbosity(loud)
    return np.array([float(found.get(name, 0.0)) for name in axes])


def _axis(column: pd.Series[Any], method: str) -> tuple[BaseDistribution, list[Any]]:
    """A setting as Optuna takes it, and its value in each cell; ``None`` where it has none.

    fANOVA integrates over a range, in which every rank gets the same width; PED-ANOVA counts ranks,
    and would blur those of a continuous range.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    known = column.dropna()
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        ranks = {value: i for i, value in enumerate(sorted(known.unique()))}
        every: BaseDistribution = FloatDistribution(-0.5, len(ranks) - 0.5)
        if method == "ped_anova":
            every = IntDistribution(0, len(ranks) - 1)
        return every, [ranks.get(value) for value in column]
    words = list(dict.fromkeys(known.astype(str)))
    return CategoricalDistribution(words), [None if pd.isna(v) else str(v) for v in column]


def _with_spread(
    settings: pd.DataFrame, values: Array, goal: Goal, method: str
) -> tuple[Array, Array]:
    """Shares by the means over seeds, and their standard deviation over seeds taken alone."""
    shares = evaluate(settings, spread(values).mean, goal, method)
    known = [seed for seed in values.T if np.isfinite(seed).all()][:SEEDS]
    alone = [evaluate(settings, seed, goal, method) for seed in known] if len(known) > 1 else []
    return shares, spread(np.stack(alone, -1)).sd if alone else np.full(len(shares), np.nan)


def _too_little(title: str, sound: pd.DataFrame, columns: list[str]) -> str:
    """What there is of a panel that cannot be drawn; empty if it can."""
    varying = [_short(name, title) for name in columns if sound[name].nunique() > 1]
    if len(varying) >= FEWEST and len(sound) >= CELLS:
        return ""
    return (
        f"{title} ({', '.join(varying) or 'nothing'} in {len(sound)} cell{'s' * (len(sound) != 1)})"
    )


def _short(column: str, title: str) -> str:
    """``decay`` of one regularizer, ``weight_decay.decay`` among all, ``label noise``."""
    root, _, rest = column.partition(".")
    if root in ("dataset", "model", "train") or title != "all regularizers":
        return column.rpartition(".")[2]
    return column if rest else root


def sections(results: Results, config: Importances) -> list[Section]:
    """One picture, a panel for each regularizer, and in words why others have none."""
    cells = gather_cells(results)
    info = importances_info(results, cells, config)
    without = (
        f"Not drawn, as shares need {FEWEST} settings that vary in {CELLS} cells with a value: "
        f"{'; '.join(info.refused)}."
    )
    if not info.panels:
        return [Section(_TITLE, without, [], [])]
    text = f"{_READING} {without}" if info.refused else _READING
    names = " and ".join(METHODS[m] for m in dict.fromkeys(bars.method for bars in info.panels))
    taken = " less each facet's mean" if config.factors == "subtract" else ""
    caption = (
        f"Importance of what varies for {info.what.words.lower()}{taken}, by {names}: bars are "
        "shares by means over seeds and sum to 100 %, whiskers the standard deviation over "
        f"{'up to ' if results.records['seed'].nunique() > SEEDS else ''}{SEEDS} seeds alone."
    )
    stem = f"importances_{config.method}_{info.what.column.replace('@', '_epoch')}"
    picture = Picture(stem, caption, partial(draw_importances, info), _data(info))
    return [Section(_TITLE, text, [picture], [])]


_TITLE = "Importance of hyper-parameters"
_READING = (
    "fANOVA gives the share of the variance over all cells that a setting explains on its own, as "
    "a random forest sees it; PED-ANOVA the share of a setting in what sets the best tenth of the "
    "cells apart. Effects that only two settings together have are in neither. All regularizers "
    "together are always judged by PED-ANOVA, for fANOVA knows no setting that some cells lack."
)


def draw_importances(info: ImportancesInfo) -> Figure:
    """Draw ``info``; matplotlib is imported here and not before."""
    from regsearch.report.importances_drawing import draw

    return draw(info)


def _data(info: ImportancesInfo) -> pd.DataFrame:
    frames = [
        pd.DataFrame({"setting": bars.names, "share": bars.shares, "sd": bars.sds}).assign(
            panel=bars.title, method=bars.method, cells=bars.cells, left_out=bars.left_out
        )
        for bars in info.panels
    ]
    return pd.concat(frames, ignore_index=True)


REPORTS.add(
    "importances",
    Report(
        Importances,
        "what each varying hyper-parameter or factor explains",
        check,
        sections,
        of_settings=True,
    ),
)
