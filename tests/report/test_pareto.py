from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from regsearch.report import REPORTS, Results
from regsearch.report.cell_values import gather_cells
from regsearch.report.pareto import (
    Pareto,
    draw_pareto,
    front,
    front_chances,
    non_dominated,
    pareto_info,
    sections,
)

PLANE = {"weight_decay": {"decay": [0.1, 0.2, 0.3, 0.4]}, "none": {}}
BOTH = Pareto(objectives={"test_accuracy": "maximize", "max_weight": "minimize"})
VALUES = {0.1: (0.5, 1.0), 0.2: (0.7, 2.0), 0.3: (0.6, 3.0), 0.4: (0.9, 4.0)}


@pytest.fixture
def results(make_study: Callable[..., Results]) -> Results:
    """Cell 0.3 is dominated by 0.2; cell 0.4 would be on the front, but a run of it diverged."""

    def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
        if kind == "none":
            return 0.4
        if settings["decay"] == 0.4 and seed == 2:
            return "diverged"
        return VALUES[settings["decay"]][0] + 0.01 * seed

    made = make_study(accuracy, PLANE)
    largest = made.records["weight_decay.decay"].map(lambda d: VALUES[d][1] if d > 0 else 5.0)
    return made._replace(records=made.records.assign(max_weight=largest))


def test_non_dominated_agrees_with_brute_force() -> None:
    points = np.random.default_rng(0).integers(0, 6, (60, 3)).astype(float)
    points[7, 1] = np.nan

    def beaten(a: np.ndarray) -> bool:
        return any(all(b >= a) and any(b > a) for b in points)

    expected = [not np.isnan(a).any() and not beaten(a) for a in points]
    assert non_dominated(points).tolist() == expected


def test_equal_points_are_both_on_the_front() -> None:
    assert non_dominated(np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 2.0]])).tolist() == [
        True,
        True,
        False,
    ]


def test_the_front_keeps_diverging_and_dominated_cells_off(results: Results) -> None:
    [(_, trades)] = pareto_info(results, gather_cells(results), BOTH).facets
    assert {trade.cell for trade in trades if trade.front} == {
        "weight_decay-0.1-0",
        "weight_decay-0.2-0",
    }
    [lost] = [trade for trade in trades if trade.diverged]
    assert (lost.means[0], lost.n, lost.chance) == (pytest.approx(0.905), 2, 0)


def test_the_chance_of_two_cells_that_swap_is_that_of_the_draws(
    make_study: Callable[..., Results],
) -> None:
    """0.1 wins where seed 1 is drawn twice or thrice of three: p = 7/27; else 0.2 does."""

    def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        return {0.1: [0.5, 0.9, 0.5], 0.2: [0.7, 0.7, 0.7]}[settings["decay"]][seed]

    made = make_study(accuracy, {"weight_decay": {"decay": [0.1, 0.2]}})
    made = made._replace(records=made.records.assign(max_weight=1.0))
    [(_, trades)] = pareto_info(made, gather_cells(made), BOTH).facets
    assert [trade.front for trade in trades] == [False, True]
    assert [trade.likely for trade in trades] == [True, True]
    error = 3 * (7 / 27 * 20 / 27 / 500) ** 0.5
    assert trades[0].chance == pytest.approx(7 / 27, abs=error)
    assert trades[0].chance + trades[1].chance == pytest.approx(1)


def test_chances_agree_with_every_draw_of_three_seeds() -> None:
    values = np.random.default_rng(1).normal(size=(7, 3, 2))
    values[2, 1] = np.nan
    expected = np.zeros(7)
    for draw in product(range(3), repeat=3):
        points = [
            np.nanmean(cell[list(draw)], axis=0)
            if not np.isnan(cell[list(draw)]).all()
            else [np.nan] * 2
            for cell in values
        ]
        expected += [
            not np.isnan(a).any() and not any(all(b >= a) and any(b > a) for b in points)
            for a in np.array(points)
        ]
    found = front_chances(values, draws=20_000)
    np.testing.assert_allclose(found, expected / 27, atol=4 * (0.25 / 20_000) ** 0.5)


def test_one_seed_says_nothing_about_chances(make_study: Callable[..., Results]) -> None:
    made = make_study(lambda *_: 0.5, PLANE, seeds=(0,))
    made = made._replace(records=made.records.assign(max_weight=1.0))
    [(_, trades)] = pareto_info(made, gather_cells(made), BOTH).facets
    assert all(math.isnan(trade.chance) and trade.front == trade.likely for trade in trades)


def test_cells_far_from_the_front_stand_at_the_edge(make_study: Callable[..., Results]) -> None:
    """Four cells between 0.90 and 0.93, one at 0.1: it does not press them together."""
    levels = {0.1: 0.9, 0.2: 0.91, 0.3: 0.92, 0.4: 0.93, 0.5: 0.1}
    made = make_study(
        lambda kind, settings, *_: levels[settings["decay"]],
        {"weight_decay": {"decay": [*levels]}},
    )
    largest = made.records["weight_decay.decay"].map(lambda decay: 1 + decay)
    info = pareto_info(
        made._replace(records=made.records.assign(max_weight=largest)), gather_cells(made), BOTH
    )
    [ax] = draw_pareto(info).axes
    low, _ = ax.get_ylim()
    assert 85 < low < 90
    [outside] = [line for line in ax.lines if line.get_marker() == "v"]
    assert outside.get_ydata()[0] == pytest.approx(low)


def test_the_table_gives_the_command_of_a_run(results: Results) -> None:
    [section] = sections(results, BOTH)
    first = section.tables[0].rows[0]
    assert [entry.text for entry in first][1:3] == ["weight_decay decay=0.1", "51.00 ± 1.00"]
    assert first[-1].text == "regsearch repro pencil weight_decay-0.1-0-0"
    assert first[-1].code


def test_front_of_plain_records(results: Results) -> None:
    found = front(results.records, dict(BOTH.objectives))
    assert found["cell"].tolist() == ["weight_decay-0.1-0", "weight_decay-0.2-0"]
    assert found["test_accuracy"].tolist() == pytest.approx([0.51, 0.71])
    assert found["n"].tolist() == [3, 3]


def test_an_unknown_objective_is_named() -> None:
    config = Pareto(objectives={"test_accuracy": "maximize", "weight_nrom": "minimize"})
    [problem] = REPORTS["pareto"].check(config, ["test_accuracy", "weight_norm"])
    assert "'weight_nrom'. Did you mean 'weight_norm'?" in problem
