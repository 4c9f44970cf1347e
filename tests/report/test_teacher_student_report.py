from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from regsearch.report import REPORTS, Metric, Results
from regsearch.report.cell_values import gather_cells
from regsearch.report.page import make_sections
from regsearch.report.teacher_student import TeacherStudentReport, agreement, sections
from regsearch.report.teacher_student_drawing import draw_deviations, draw_errors, draw_optima
from regsearch.report.teacher_student_info import (
    TeacherStudentInfo,
    standard_normal,
    teacher_student_info,
    verdict,
)
from regsearch.theory.teacher_student import ridge_error, volumized_error

ERROR = "test_squared_error"
ALL = {"volumization.v": np.nan, "volumization.alpha": np.nan, "volumization.volume": None}
NOTHING = {**ALL, "weight_decay.decay": np.nan}
BOXES = [
    {"regularizer": "volumization", **NOTHING, "volumization.v": v, "volumization.alpha": 0.0,
     "volumization.volume": "absolute"}
    for v in (0.0, 0.5, 0.75, 1.0)
]  # fmt: skip
RIDGES = [{"regularizer": "weight_decay", **NOTHING, "weight_decay.decay": d} for d in (0.25, 1.0)]
NONE = {"regularizer": "none", **NOTHING}


def theory(row: dict[str, Any]) -> float:
    noise, sigma = row["dataset.noise"], row["dataset.sigma"]
    if row["regularizer"] == "volumization":
        return float(volumized_error(row["volumization.v"], sigma, noise))
    decay = row["weight_decay.decay"] if row["regularizer"] == "weight_decay" else 0.0
    return float(ridge_error(decay, sigma, noise))


def simulated(
    error: Callable[[dict[str, Any]], float] = theory,
    cells: Sequence[dict[str, Any]] = (*BOXES, *RIDGES, NONE),
    sigmas: Sequence[float] = (0.5, 1.0),
    seeds: int = 4,
) -> Results:
    """Runs whose errors are ``error`` plus noise of mean 0; infinite theory is measured as 9."""
    rows = []
    noises = ("cauchy", "uniform")
    for number, (noise, sigma, cell) in enumerate(itertools.product(noises, sigmas, cells)):
        for seed in range(seeds):
            name = f"c{number}"
            row = {"run": f"{name}-{seed}", "cell": name, **cell}
            row |= {"dataset.noise": noise, "dataset.sigma": sigma, "seed": seed}
            value = error(row)
            value = 9.0 if math.isinf(value) else value
            sign = 1 if seed % 2 else -1  # even numbers of seeds: the mean is exact
            ended = {"status": "completed", "reason": None, "epochs": 1, "seconds": 1.0}
            ended |= {"started": "2026-01-05T10:00:00", "finished": "2026-01-05T10:00:01"}
            rows.append(row | ended | {ERROR: value + 0.01 * sign if seeds > 1 else value})
    records = pd.DataFrame(rows)
    planned = records.loc[:, :"seed"]
    curves = records[["run", ERROR]].assign(epoch=1)
    factors = ["dataset.noise", "dataset.sigma"]
    metric = Metric(ERROR, "minimize", "last")
    return Results("ts", "", records, curves, planned, factors, metric)


def info_of(results: Results) -> TeacherStudentInfo:
    return teacher_student_info(results, gather_cells(results))


def test_levels_hold_the_measured_cells_and_their_theory() -> None:
    info = info_of(simulated(seeds=4))
    assert [(level.noise, level.sigma) for level in info.levels] == [
        ("uniform", 0.5), ("uniform", 1.0), ("cauchy", 0.5), ("cauchy", 1.0),
    ]  # fmt: skip
    first = info.levels[0]
    assert [point.at for point in first.boxes] == [0.0, 0.5, 0.75, 1.0]
    assert [point.at for point in first.ridges] == [0.25, 1.0]
    assert first.boxes[2].mean == pytest.approx(0.06576, abs=5e-6)
    assert first.boxes[2].error == pytest.approx(0.01 * math.sqrt(4 / 3) / 2)
    assert first.none[0].theory == pytest.approx(0.25 / 3)
    assert info.levels[2].none[0].theory == math.inf
    assert first.optimum == pytest.approx((0.75, 0.06576), abs=5e-6)


def test_only_hard_walls_at_an_absolute_volume_are_compared() -> None:
    others = [
        BOXES[1] | {"volumization.alpha": 0.5},
        BOXES[1] | {"volumization.volume": "fan_in"},
        BOXES[1] | {"regularizer": "volumization + weight_decay", "weight_decay.decay": 1.0},
    ]
    info = info_of(simulated(cells=[BOXES[1], *others]))
    assert [len(level.points) for level in info.levels] == [1, 1, 1, 1]


def test_deviations_are_students_t_on_the_normal_scale() -> None:
    z = standard_normal(0.03, 0.01, 5)
    assert norm.sf(z) == pytest.approx(t.sf(3.0, df=4))
    assert standard_normal(-0.03, 0.01, 5) == pytest.approx(-z)
    assert standard_normal(0.03, 0.01, 10**6) == pytest.approx(3.0, abs=1e-4)
    assert standard_normal(1e-8, 1e-10, 3) == 0.0
    assert standard_normal(0.1, 0.0, 3) == math.inf
    assert math.isnan(standard_normal(0.1, math.nan, 1))
    assert math.isnan(standard_normal(-math.inf, 0.1, 3))


def test_a_faithful_simulation_agrees() -> None:
    info = info_of(simulated())
    found = verdict(info.levels)
    assert found.agrees
    assert found.tested == 22  # 2 sigmas: 7 cells under uniform shifts, 4 under Cauchy
    assert 1 - (1 - 2 * norm.sf(found.limit)) ** 22 == pytest.approx(0.05)
    assert agreement(info).startswith("The simulation agrees with the closed forms: of 22 cells")


def test_a_cell_that_is_off_is_found_and_named() -> None:
    def error(row: dict[str, Any]) -> float:
        off = row["volumization.v"] == 0.75 and row["dataset.sigma"] == 1.0
        return theory(row) + (0.2 if off and row["dataset.noise"] == "cauchy" else 0)

    info = info_of(simulated(error, seeds=8))
    found = verdict(info.levels)
    assert (found.beyond, found.agrees) == (1, False)
    assert "does not agree" in agreement(info)
    assert "1 of 22" in agreement(info)
    assert "V = 0.75 under Cauchy shifts of sigma = 1" in agreement(info)


def test_chance_alone_is_blamed_in_few_studies() -> None:
    draw = np.random.default_rng(0)
    wrong = 0
    for _ in range(20):
        study = simulated(lambda row: theory(row) + draw.normal(0, 0.05), seeds=6)
        wrong += not verdict(info_of(study).levels).agrees
    assert wrong <= 4  # 5 % of 20 is 1; more than 4 has probability 0.3 %


def test_one_seed_is_not_tested() -> None:
    info = info_of(simulated(seeds=1))
    assert not verdict(info.levels).agrees
    assert "One seed has no standard error" in agreement(info)
    [section] = sections(simulated(seeds=1), TeacherStudentReport())
    for picture in section.pictures:
        picture.draw()


def test_the_table_sets_theory_beside_the_best_measured_cells() -> None:
    [section] = sections(simulated(), TeacherStudentReport())
    [table] = section.tables
    uniform, first, second, cauchy, third, _ = table.rows
    assert [row[0].text for row in (uniform, cauchy)] == ["Uniform shifts", "Cauchy shifts"]
    shown = dict(zip(table.header, (entry.text for entry in first), strict=True))
    assert shown["sigma"] == "0.5"
    assert (shown["V*: theory"], shown["best V measured"]) == ("0.75", "0.75")
    assert (shown["E*: theory"], shown["E measured"]) == ("0.06576", "0.06576 ± 0.00577")
    assert shown["ridge: theory"] == "0.06667 at 0.25"
    strong = [[i for i, entry in enumerate(row) if entry.strong] for row in (first, second)]
    assert strong == [[4], [6]]  # sigma 0.5 is below 0.549: the box wins; at 1 ridge does
    shown = dict(zip(table.header, (entry.text for entry in third), strict=True))
    assert shown["ridge: theory"] == "0.3333 at ∞"


def test_points_can_be_hovered_over() -> None:
    results = simulated()
    [section] = sections(results, TeacherStudentReport())
    hover = section.pictures[0].hover
    assert len(hover) == 16
    gids = {line.get_gid() for ax in draw_errors(info_of(results)).axes for line in ax.lines}
    assert gids - {None} == set(hover)


def test_the_curves_drawn_are_the_closed_forms() -> None:
    info = info_of(simulated())
    curve = draw_errors(info).axes[1].lines[0]  # uniform, sigma = 1
    x, y = curve.get_data()
    np.testing.assert_allclose(y, volumized_error(np.asarray(x), 1.0, "uniform"))
    optima = draw_optima(info).axes
    assert [ax.get_title(loc="left") for ax in optima] == ["Uniform shifts", "Cauchy shifts"]
    sigma, best = optima[0].lines[0].get_data()
    at_half = np.interp(0.5, np.asarray(sigma), np.asarray(best))
    assert at_half == pytest.approx(0.06576, abs=1e-4)
    assert [ax.get_xlabel() for ax in draw_deviations(info).axes] == ["V", "V"]


def test_other_studies_have_no_such_section(make_study: Callable[..., Results]) -> None:
    results = make_study(lambda *_: 0.5, {"volumization": {"v": [0.1, 0.2]}, "none": {}})
    assert sections(results, TeacherStudentReport()) == []
    assert not [s for s in make_sections(results, []) if s.title == "Teacher and student"]


def test_a_study_without_the_factors_is_refused() -> None:
    check = REPORTS["teacher_student"].check
    assert check(TeacherStudentReport(), ["dataset.sigma", "dataset.noise", "volumization.v"]) == []
    problems = check(TeacherStudentReport(), ["weight_decay.decay", "dataset.noise"])
    assert len(problems) == 2
    assert "needs the factor dataset.sigma; write factors: {dataset.sigma:" in problems[0]
    assert "needs volumization in the search space" in problems[1]


def test_before_a_run_has_completed_it_says_so() -> None:
    results = simulated()
    empty = results._replace(records=results.records.iloc[:0], curves=results.curves.iloc[:0])
    [section] = sections(empty, TeacherStudentReport())
    assert "has completed yet" in section.text
