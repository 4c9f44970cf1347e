"""Can the numbers of a report be believed? Checks that pass, warn or fail, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from regsearch.metrics import COURSE
from regsearch.report._base import Results
from regsearch.report.cell_values import (
    Cells,
    factor_groups,
    gather_cells,
    rank_cells,
    seed_values,
)
from regsearch.report.convergence import flat_curves
from regsearch.report.edges import optimum_inside
from regsearch.report.limits import limit_cases
from regsearch.report.quantities import Quantity, quantity
from regsearch.report.regions import region
from regsearch.report.stats import (
    LEVEL,
    Array,
    Difference,
    adjust,
    correction_words,
    difference,
    seeds_needed,
    spread,
)

MANY_SEEDS = 1000
"""More than these are told as no number: the difference is nothing."""

Level = Literal["pass", "warn", "fail"]


class Check(NamedTuple):
    """One verdict with its reason in a sentence or two."""

    level: Level
    title: str
    text: str


class Judged(NamedTuple):
    """What the study judges runs by, and its values by cell and seed."""

    what: Quantity
    values: pd.DataFrame


class Contest(NamedTuple):
    """The best cell of a facet against its rival: in words, as a test, and seed by seed."""

    claim: str
    delta: Difference
    pairs: Array


def health_checks(results: Results) -> list[Check]:
    """All checks that apply to this study, in the order of the page."""
    cells = gather_cells(results)
    what = quantity(results.metric.at, results.metric)
    judged = Judged(what, seed_values(results, cells, what))
    measured = bool(judged.values.notna().any(axis=None))
    found = [check(results, cells, judged) for check in (_CHECKS if measured else _CHECKS[:1])]
    if not measured and cells.frame["diverged"].any():
        found.append(_diverged(results, cells, judged))
    return [check for check in found if check is not None]


def _complete(results: Results, cells: Cells, judged: Judged) -> Check:
    counts = cells.runs["status"].value_counts()
    missing, failed = int(counts.get("missing", 0)), int(counts.get("failed", 0))
    total = len(cells.runs)
    if failed:
        text = f"{failed} of {total} runs failed; see the table of causes."
        return Check("fail", "Every run has a result", text)
    if missing:
        text = f"{missing} of {total} planned runs are not recorded yet; their cells are blank."
        return Check("warn", "Every run has a result", text)
    return Check("pass", "Every run has a result", f"All {total} planned runs are recorded.")


def _diverged(results: Results, cells: Cells, judged: Judged) -> Check:
    lost = cells.frame.index[cells.frame["diverged"] > 0]
    if not len(lost):
        return Check("pass", "No run diverged", "Loss and weights stayed finite in every run.")
    runs = int(cells.frame["diverged"].sum())
    text = (
        f"{runs} runs in {len(lost)} of {len(cells.frame)} cells, all in {region(cells, lost)}. "
        "These cells are hatched; they are never marked as best and never on a Pareto front."
    )
    return Check("warn", "Runs diverged", text)


def _enough_seeds(results: Results, cells: Cells, judged: Judged) -> Check | None:
    """The best cell against the baseline, or against the best of another regularizer."""
    contests = _contests(results, cells, judged)
    if not contests:
        return None
    p = adjust(np.array([float(contest.delta.p) for contest in contests]), "holm")
    sure = [contest.claim for contest, chance in zip(contests, p, strict=True) if chance < LEVEL]
    weak = [contest for contest, chance in zip(contests, p, strict=True) if not chance < LEVEL]
    title = "Enough seeds for the difference claimed"
    tests = f"asked for: {correction_words('holm', int(np.isfinite(p).sum()))}"
    if not weak:
        return Check("pass", title, f"{'; '.join(sure)} (95 % interval; {tests}).")
    level = LEVEL / len(contests)
    need = max(
        seeds_needed(float(one.delta.mean), float(spread(one.pairs).sd), level=level) or 0
        for one in weak
    )
    many = f"About {need}" if need <= MANY_SEEDS else f"More than {MANY_SEEDS:,}"
    advice = f" {many} seeds would settle it with 80 % power." if need else ""
    if judged.values.notna().sum(axis=1).max() < 2:
        advice = " With one seed there is no spread to judge by: run at least three."
    claims = "; ".join(contest.claim for contest in weak)
    return Check("warn", title, f"Not settled: {claims} ({tests}).{advice}")


def _contests(results: Results, cells: Cells, judged: Judged) -> list[Contest]:
    """The winner of each facet against its rival, where there is one."""
    found = []
    for facet, part in factor_groups(cells, results.factors):
        ranked = rank_cells(part, judged.values, judged.what)
        rival = _rival(ranked, part, cells, judged)
        if rival is None or not judged.what.direction:
            continue
        a, b = (judged.values.loc[cell].to_numpy() for cell in (ranked.index[0], rival))
        delta, names = difference(a, b), [cells.regularizer[c] for c in (ranked.index[0], rival)]
        gain = f"{judged.what.text(float(delta.mean), sign=True)} ± "
        claim = f"{names[0]} minus {names[1]}: {gain}{judged.what.text(float(delta.half_width))}"
        found.append(Contest(f"{facet}: {claim}" if facet else claim, delta, a - b))
    return found


def _rival(ranked: pd.DataFrame, part: pd.DataFrame, cells: Cells, judged: Judged) -> str | None:
    """The baseline ``none``, or the best cell of the next regularizer."""
    if not len(ranked):
        return None
    winner = cells.regularizer[ranked.index[0]]
    plain = [
        c for c in part.index[part["regularizer"] == "none"] if judged.values.loc[c].notna().any()
    ]
    others = [cell for cell in ranked.index if cells.regularizer[cell] != winner]
    if winner != "none" and plain:
        return plain[0]
    return others[0] if others else None


def _steady(results: Results, cells: Cells, judged: Judged) -> Check | None:
    if not _wanders(results):
        return None
    text = (
        "Hyper-parameters changed while runs trained. Cells are named by the values that they "
        f"began with; the curves of {COURSE}NAME hold those in effect after each epoch."
    )
    return Check("warn", "Settings stay as they are named", text)


def _wanders(results: Results) -> bool:
    return any(str(name).startswith(COURSE) for name in results.curves)


def _inside(results: Results, cells: Cells, judged: Judged) -> Check | None:
    if not judged.what.direction or _wanders(results):
        return None
    on_edge = optimum_inside(results, cells, judged.values, judged.what)
    if on_edge is None:
        return None
    if on_edge:
        return Check("warn", "Optimum inside the grid", f"{'; '.join(on_edge)}.")
    text = "No best cell lies on an edge of its grid that could be moved."
    return Check("pass", "Optimum inside the grid", text)


def _limits(results: Results, cells: Cells, judged: Judged) -> Check | None:
    if _wanders(results):
        return None
    verdict = limit_cases(cells, judged.values, judged.what)
    return Check(verdict[0], "Limit cases agree", verdict[1]) if verdict else None


def _flat(results: Results, cells: Cells, judged: Judged) -> Check | None:
    moving = flat_curves(results, cells, judged.values, judged.what)
    if moving is None:
        return None
    if moving:
        return Check("warn", "Curves are flat at the end", f"{'; '.join(moving)}. Train longer.")
    text = "The best cells and the baseline change by less than their spread over the last epochs."
    return Check("pass", "Curves are flat at the end", text)


def _selection(results: Results, cells: Cells, judged: Judged) -> Check:
    title = "Cells are not chosen on test data"
    name = results.metric.name
    if name.startswith("test_"):
        text = (
            f"The best cell is chosen by {name}, so its value is optimistic. For a claim, set "
            "dataset.validation and judge by the same quantity on the validation set."
        )
        return Check("warn", title, text)
    return Check("pass", title, f"The best cell is chosen by {name}.")


_CHECKS: list[Callable[[Results, Cells, Judged], Check | None]] = [
    _complete,
    _diverged,
    _enough_seeds,
    _steady,
    _inside,
    _limits,
    _flat,
    _selection,
]
