"""Report ``teacher_student``: figure 4 of the volumization paper, measured and in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from regsearch.report._base import REPORTS, Entry, Picture, Report, Results, Section, Table
from regsearch.report.cell_values import Cells, gather_cells
from regsearch.report.quantities import Quantity, number, title
from regsearch.report.teacher_student_info import (
    NOISE,
    SHIFTS,
    SIGMA,
    Level,
    Point,
    TeacherStudentInfo,
    V,
    best,
    teacher_student_info,
    verdict,
)
from regsearch.space import Kind
from regsearch.theory.teacher_student import RIDGE_IS_BETTER_FROM

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TeacherStudentReport(Kind):
    """The error per weight against V and against sigma, beside the closed forms."""

    kind: Literal["teacher_student"] = "teacher_student"


def check(config: TeacherStudentReport, columns: Sequence[str]) -> list[str]:
    """What the study lacks for this report."""
    examples = {SIGMA: "[0.5, 1, 2]", NOISE: "[uniform, cauchy]"}
    problems = [
        f"needs the factor {name}; write factors: {{{name}: {levels}}}, "
        "under dataset: {kind: teacher_student}"
        for name, levels in examples.items()
        if name not in columns
    ]
    if V not in columns:
        problems.append(
            "needs volumization in the search space; write "
            "{kind: volumization, v: [0.25, 0.5, 1], alpha: 0, volume: absolute}"
        )
    return problems


def sections(results: Results, config: TeacherStudentReport) -> list[Section]:
    """The errors against V and against sigma, the deviations, and a table; nothing elsewhere."""
    cells = gather_cells(results)
    if not {SIGMA, NOISE, V} <= set(cells.settings):
        return []  # another kind of study
    info = teacher_student_info(results, cells)
    if not any(level.boxes for level in info.levels):
        text = "No run of volumization with alpha = 0 and volume: absolute has completed yet."
        return [Section(_TITLE, text, [], [])]
    points, optima = _cells_data(info), _optima_data(info)
    stem, hover = "teacher_student", _hover(info, cells)
    pictures = [
        Picture(f"{stem}_errors", _ERRORS, partial(draw_errors, info), points, hover),
        Picture(f"{stem}_optima", _OPTIMA, partial(draw_optima, info), optima),
        Picture(f"{stem}_deviations", _DEVIATIONS, partial(draw_deviations, info), points),
    ]
    return [Section(_TITLE, f"{agreement(info)} {_READING}", pictures, [_table(info)])]


def agreement(info: TeacherStudentInfo) -> str:
    """One or two sentences: whether the simulation agrees with the closed forms, and how well."""
    found = verdict(info.levels)
    if found.farthest is None:
        return "One seed has no standard error: run two or more to test the closed forms."
    level, point = found.farthest
    where = f"{_name(level, point)} under {_shifts(level)}"
    by_chance = (
        f"(chance alone puts the farthest of {found.tested} cells beyond {found.limit:.1f} in 5 % "
        "of studies)"
    )
    if found.agrees:
        return (
            f"The simulation agrees with the closed forms: of {found.tested} cells the farthest "
            f"from its own, {where}, is {abs(point.z):.1f} standard errors off {by_chance}."
        )
    return (
        f"The simulation does not agree with the closed forms: {found.beyond} of {found.tested} "
        f"cells are more than {found.limit:.1f} standard errors off {by_chance}; the farthest, "
        f"{where}, by {abs(point.z):.1f}."
    )


_TITLE = "Teacher and student"
_READING = (
    "A student sees its teacher's weights, uniform in [-1, 1], through shifts of scale sigma. "
    "Volumization clips what it sees to [-V, V], ridge shrinks it; the error is the mean squared "
    "distance of a weight from the teacher's. Standard errors are those of the mean over seeds; "
    "few seeds are allowed for (Student's t as the normal deviation that is as improbable)."
)
_ERRORS = (
    "Error per weight against V. Line: closed form. Points: simulation, mean over seeds with "
    "standard errors, mostly smaller than the mark. Star: the optimum in theory; ring: the best "
    "measured cell. The ridge is the best one in theory."
)
_DEVIATIONS = (
    "Simulation minus closed form for each V, in standard errors. Grey: within 2; dashed: what the "
    "farthest of all cells exceeds by chance in 5 % of studies. Cells of one seed share their "
    "draws, so neighbours deviate together."
)


_OPTIMA = (
    "Smallest error against sigma, the form of the paper's figure 4. Lines: theory. Points: best "
    "measured cell. Under uniform shifts volumization is better than the best ridge up to sigma = "
    f"{RIDGE_IS_BETTER_FROM:.3f}; the paper's equation 10 for its optimum holds up to sigma = 4/3. "
    "Under Cauchy shifts no regularization and every ridge have an infinite error, but for the "
    "limit of strong decay, the constant model; volumization is better at every sigma."
)


def draw_errors(info: TeacherStudentInfo) -> Figure:
    """Errors against V; matplotlib is imported here and not before."""
    from regsearch.report import teacher_student_drawing

    return teacher_student_drawing.draw_errors(info)


def draw_optima(info: TeacherStudentInfo) -> Figure:
    """Smallest errors against sigma."""
    from regsearch.report import teacher_student_drawing

    return teacher_student_drawing.draw_optima(info)


def draw_deviations(info: TeacherStudentInfo) -> Figure:
    """Deviations from the closed form against V."""
    from regsearch.report import teacher_student_drawing

    return teacher_student_drawing.draw_deviations(info)


def _hover(info: TeacherStudentInfo, cells: Cells) -> dict[str, tuple[str, str]]:
    return {
        f"{i}:{point.cell}": (
            point.cell,
            f"{cells.label(point.cell)} · {_measured(info.what, point)}, "
            f"closed form {_text(point.theory)}",
        )
        for i, level in enumerate(info.levels)
        for point in level.boxes
    }


def _table(info: TeacherStudentInfo) -> Table:
    head = [
        "sigma", "V*: theory", "best V measured", "E*: theory", "E measured",
        "ridge: theory", "ridge measured", "farthest from theory (standard errors)",
    ]  # fmt: skip
    rows: list[list[Entry]] = []
    for noise in info.noises:
        rows.append([Entry(title(SHIFTS[noise]))])
        rows += [_row(info.what, level) for level in info.of(noise)]
    caption = (
        "Optima in theory and the best measured cells, ± standard error over seeds; ridge at its "
        "coefficient. The smaller of both measured errors in bold."
    )
    return Table(caption, head, rows, _optima_data(info), "teacher_student")


def _row(what: Quantity, level: Level) -> list[Entry]:
    box, ridge = best(level.boxes), best(level.ridges)
    v, error = level.optimum
    decay, ridge_error = level.ridge
    farthest = verdict([level]).farthest
    cells = [
        number(level.sigma),
        _text(v),
        number(box.at) if box else "",
        _text(error),
        _measured(what, box),
        f"{_text(ridge_error)} at {_text(decay)}",
        f"{_measured(what, ridge)} at {number(ridge.at)}" if ridge else "",
        f"{what.text(farthest[1].z, sign=True)} ({_name(*farthest)})" if farthest else "",
    ]
    winner = min((point for point in (box, ridge) if point), key=lambda p: p.mean, default=None)
    strong = {4: box is not None and winner is box, 6: ridge is not None and winner is ridge}
    return [Entry(text, strong=strong.get(i, False)) for i, text in enumerate(cells)]


def _measured(what: Quantity, point: Point | None) -> str:
    return what.pair(point.mean, point.error) if point else ""


def _text(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.4g}"


def _name(level: Level, point: Point) -> str:
    if point in level.boxes:
        return f"V = {number(point.at)}"
    return f"ridge {number(point.at)}" if point in level.ridges else "none"


def _shifts(level: Level) -> str:
    return f"{SHIFTS[level.noise]} of sigma = {number(level.sigma)}"


def _cells_data(info: TeacherStudentInfo) -> pd.DataFrame:
    rows = [
        {"noise": level.noise, "sigma": level.sigma, "regularizer": kind, **point._asdict()}
        for level in info.levels
        for kind, points in (
            ("volumization", level.boxes),
            ("weight_decay", level.ridges),
            ("none", level.none),
        )
        for point in points
    ]
    return pd.DataFrame(rows)


def _optima_data(info: TeacherStudentInfo) -> pd.DataFrame:
    rows = []
    for level in info.levels:
        row: dict[str, object] = {"noise": level.noise, "sigma": level.sigma}
        theory = (level.optimum, level.ridge, (np.nan, level.unregularized))
        names = ("volumization", "ridge", "none")
        groups = (level.boxes, level.ridges, level.none)
        for name, (at, error), points in zip(names, theory, groups, strict=True):
            found = best(points)
            row |= {f"{name}_at": at, f"{name}_error": error}
            row |= (
                {f"{name}_measured_at": found.at, f"{name}_measured": found.mean} if found else {}
            )
        rows.append(row)
    return pd.DataFrame(rows)


REPORTS.add(
    "teacher_student",
    Report(
        TeacherStudentReport,
        "a linear student's error beside its closed form (dataset teacher_student)",
        check,
        sections,
    ),
)
