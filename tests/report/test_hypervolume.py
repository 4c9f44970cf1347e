from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from regsearch.report import REPORTS, Results
from regsearch.report.cell_values import gather_cells
from regsearch.report.hypervolume import (
    Hypervolume,
    hypervolume,
    hypervolume_info,
    hypervolumes,
    sections,
)

BOTH = {"test_accuracy": "maximize", "max_weight": "minimize"}


def by_inclusion_and_exclusion(points: np.ndarray, reference: np.ndarray) -> float:
    """Measure of a union of boxes from the measures of their intersections."""
    sides = np.maximum(points - reference, 0)
    return sum(
        (-1) ** (size + 1) * sum(np.prod(sides[list(some)].min(axis=0))
                                 for some in combinations(range(len(points)), size))
        for size in range(1, len(points) + 1)
    )  # fmt: skip


@pytest.mark.parametrize("dimensions", [2, 3, 4])
def test_it_is_the_measure_of_the_union_of_boxes(dimensions: int) -> None:
    rng = np.random.default_rng(dimensions)
    for _ in range(5):
        points = rng.integers(-1, 5, (8, dimensions)).astype(float)  # ties, and some beyond
        reference = np.zeros(dimensions)
        expected = by_inclusion_and_exclusion(points, reference)
        assert hypervolume(points, reference) == pytest.approx(expected)


def test_growth_agrees_with_each_front_alone() -> None:
    points = np.random.default_rng(0).random((30, 3))
    points[4] = np.nan
    reference = np.array([0.1, 0.2, 0.3])
    found = hypervolumes(points, reference)
    known = [points[: i + 1][~np.isnan(points[: i + 1, 0])] for i in range(30)]
    assert found == pytest.approx([hypervolume(some, reference) for some in known])
    assert (np.diff(found) >= 0).all()


def study_of(make_study: Callable[..., Results], **changes: float | str) -> Results:
    """Cells (accuracy, max_weight): A (0.5, 1), B (0.9, 3), C (0.7, 2); two seeds, one a minute."""
    levels = {0.1: (0.5, 1.0), 0.2: (0.9, 3.0), 0.3: (0.7, 2.0)}

    def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
        return changes.get(f"{settings['decay']:g}", levels[settings["decay"]][0])

    made = make_study(accuracy, {"weight_decay": {"decay": [*levels]}}, seeds=(0, 1))
    weights = made.records["weight_decay.decay"].map(lambda decay: levels[decay][1])
    order = [3, 0, 1, 4, 2, 5]  # when each run ends: A at 1 and 4, B at 2 and 5, C at 3 and 6
    finished = [f"2026-01-05T10:{order.index(i):02d}:00+00:00" for i in range(6)]
    finished = [f"2026-01-05T10:0{at}:00+00:00" for at in (1, 4, 2, 5, 3, 6)]
    return made._replace(records=made.records.assign(max_weight=weights, finished=finished))


def test_a_cell_counts_once_its_last_run_has_ended(make_study: Callable[..., Results]) -> None:
    """From the reference (0.5, 3.5): A is at its edge, B adds 0.4 x 0.5, C 0.2 x 1 beyond it."""
    results = study_of(make_study)
    config = Hypervolume(objectives=BOTH, reference={"test_accuracy": 0.4, "max_weight": 3.5})
    info, _, [reference] = hypervolume_info(results, gather_cells(results), config)
    assert reference.tolist() == [0.4, 3.5]
    [(_, [[line]])] = info.facets
    assert line.x.tolist() == [0, 4, 5, 6, 6]
    box = (0.9 - 0.4) * (3.5 - 1.0)
    only_a = 0.1 * 2.5
    with_b = only_a + 0.4 * 0.5
    with_c = with_b + 0.2 * 1.0
    np.testing.assert_allclose(line.mean, np.array([0, only_a, with_b, with_c, with_c]) / box)


def test_a_diverged_run_keeps_its_cell_out(make_study: Callable[..., Results]) -> None:
    results = study_of(make_study, **{"0.2": "diverged"})
    config = Hypervolume(objectives=BOTH, reference={"test_accuracy": 0.4, "max_weight": 3.5})
    [(_, [[line]])] = hypervolume_info(results, gather_cells(results), config)[0].facets
    box = (0.7 - 0.4) * (3.5 - 1.0)
    with_c = (0.1 * 2.5 + 0.2 * 1.5) / box
    np.testing.assert_allclose(line.mean, [0, 0.25 / box, 0.25 / box, with_c, with_c])


def test_the_default_reference_is_a_tenth_of_the_range_beyond_the_worst(
    make_study: Callable[..., Results],
) -> None:
    results = study_of(make_study)
    config = Hypervolume(objectives=BOTH)
    _, _, [reference] = hypervolume_info(results, gather_cells(results), config)
    assert reference.tolist() == pytest.approx([0.5 - 0.04, 3 + 0.2])
    [section] = sections(results, config)
    assert "46.00 %, 3.2) to the best mean" in section.pictures[0].caption


def test_each_regularizer_has_a_line_of_its_own(make_study: Callable[..., Results]) -> None:
    made = make_study(
        lambda kind, settings, *_: 0.9 if kind == "none" else settings["decay"],
        {"weight_decay": {"decay": [0.5, 0.6]}, "none": {}},
    )
    weights = made.records["weight_decay.decay"].fillna(2.0)
    made = made._replace(records=made.records.assign(max_weight=weights))
    info, *_ = hypervolume_info(made, gather_cells(made), Hypervolume(objectives=BOTH))
    [(_, [lines])] = info.facets
    assert [line.name for line in lines] == ["all", "weight_decay", "none"]
    ends = [line.mean[-1] for line in lines]
    assert ends[0] > max(ends[1:]) > 0


def test_what_is_not_measured_or_no_objective_is_named() -> None:
    config = Hypervolume(objectives=BOTH, reference={"max_wieght": 1.0})
    problems = REPORTS["hypervolume"].check(config, ["test_accuracy"])
    assert ["'max_weight'" in problems[0], "'max_wieght' is none of" in problems[1]] == [True, True]


def test_nothing_finished_is_said(make_study: Callable[..., Results]) -> None:
    made = make_study(lambda *_: None, {"none": {}})
    made = made._replace(records=made.records.assign(max_weight=pd.Series(dtype=float)))
    [section] = sections(made, Hypervolume(objectives=BOTH))
    assert "No cell has ended" in section.text
