from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from regsearch.errors import UnknownName
from regsearch.report import Results
from regsearch.report.cell_values import gather_cells
from regsearch.report.curves import Curves, curves_info, draw_curves

PLANE = {"weight_decay": {"decay": [0.1, 0.2, 0.3, 0.4]}, "none": {}}


def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
    if settings.get("decay") == 0.4 and seed == 0:
        return "diverged"
    return 0.5 + settings.get("decay", 0.0) + 0.1 * seed


def test_best_cells_baseline_and_worst_are_drawn(make_study: Callable[..., Results]) -> None:
    results = make_study(accuracy, PLANE)
    info = curves_info(results, gather_cells(results), Curves(best=2))
    [(_, [lines])] = info.facets
    assert [(line.label, line.role) for line in lines] == [
        ("weight_decay decay=0.3", "best"),
        ("weight_decay decay=0.2", "best"),
        ("none", "baseline"),
        ("weight_decay decay=0.4", "worst"),
    ]


def test_a_line_is_mean_and_spread_of_its_completed_runs(
    make_study: Callable[..., Results],
) -> None:
    results = make_study(accuracy, PLANE)
    [(_, [lines])] = curves_info(results, gather_cells(results), Curves(best=1)).facets
    best, _, worst = lines
    np.testing.assert_allclose(best.mean, [0.9] * 4)
    np.testing.assert_allclose(best.sd, [0.1] * 4)
    assert (best.n, worst.n) == (3, 2)
    [(epochs, values)] = worst.lost
    assert epochs.tolist() == [1, 2]
    assert values.tolist() == [0.1, 0.1]


def test_long_curves_are_thinned_when_drawn(make_study: Callable[..., Results]) -> None:
    results = make_study(lambda *_: 0.5, {"none": {}}, epochs=3000)
    info = curves_info(results, gather_cells(results), Curves())
    drawn = [line for line in draw_curves(info).axes[0].lines if len(line.get_xdata()) > 1]
    assert max(len(line.get_xdata()) for line in drawn) <= 200
    assert drawn[0].get_xdata()[-1] == 3000


def test_a_quantity_without_a_curve_is_refused(make_study: Callable[..., Results]) -> None:
    results = make_study(accuracy, PLANE)
    with pytest.raises(UnknownName, match=r"'test_acuracy'. Did you mean 'test_accuracy'"):
        curves_info(results, gather_cells(results), Curves(quantities=["test_acuracy"]))


def test_epochs_at_which_nothing_was_measured_are_left_out(
    make_study: Callable[..., Results],
) -> None:
    results = make_study(accuracy, PLANE)
    curves = results.curves.assign(
        gbr=results.curves["epoch"].where(results.curves["epoch"] % 2 == 0),
        at_end=results.curves["epoch"].where(results.curves["epoch"] == 4),
    )
    results = results._replace(curves=curves)
    config = Curves(best=1, quantities=["gbr", "at_end"])
    info = curves_info(results, gather_cells(results), config)
    [(_, [often, once])] = info.facets
    assert often[0].epochs.tolist() == often[0].mean.tolist() == [2, 4]
    assert once[0].epochs.tolist() == [4]
    point = draw_curves(info).axes[1].lines[0]
    assert point.get_marker() == "o", "a line of one point would not be seen"
