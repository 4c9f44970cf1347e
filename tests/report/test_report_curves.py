from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats as oracle

from regsearch.errors import UnknownName
from regsearch.report import Results
from regsearch.report.cell_values import gather_cells
from regsearch.report.curves import draw_curves, sections
from regsearch.report.curves_info import Curves, curves_info

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


def test_a_cell_of_which_all_runs_diverged_has_no_band_and_costs_no_picture(
    make_study: Callable[..., Results],
) -> None:
    def fallen(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
        return "diverged" if settings.get("decay") == 0.4 else 0.5 + 0.1 * seed

    results = make_study(fallen, PLANE)
    config = Curves(band="interval", interval="bootstrap")
    [(_, [lines])] = curves_info(results, gather_cells(results), config).facets
    assert lines[-1].role == "worst"
    assert [len(lines[-1].low), len(lines[-1].lost), lines[-1].n] == [0, 3, 0]
    assert sections(results, config)[0].pictures[0].draw().axes


def rising(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
    return 0.5 + [0.0, 0.01, 0.05][seed]


@pytest.mark.parametrize(
    ("config", "half"),
    [
        ({}, 1),
        ({"band": "se"}, 1 / math.sqrt(3)),
        ({"band": "interval"}, oracle.t.ppf(0.975, 2) / math.sqrt(3)),
    ],
)
def test_a_band_is_what_the_text_says(
    make_study: Callable[..., Results], config: dict[str, str], half: float
) -> None:
    """The sample standard deviation of 0, 1, 5 is sqrt(7)."""
    results = make_study(rising, {"none": {}})
    chosen = Curves(**config)  # type: ignore[arg-type]
    [(_, [[line]])] = curves_info(results, gather_cells(results), chosen).facets
    np.testing.assert_allclose(line.low, 0.52 - half * math.sqrt(7) / 100)
    np.testing.assert_allclose(line.high, 0.52 + half * math.sqrt(7) / 100)
    words = {"se": "one standard error", "interval": "95 % interval"}
    [section] = sections(results, chosen)
    assert words.get(config.get("band", ""), "one standard deviation") in section.text


def test_a_trimmed_mean_leaves_out_the_ends_of_ten_seeds(
    make_study: Callable[..., Results],
) -> None:
    results = make_study(lambda *a: 0.1 * a[3] ** 2, {"none": {}}, seeds=tuple(range(10)))
    config = Curves(over_seeds="trimmed_mean", band="interval", interval="bootstrap")
    [(_, [[line]])] = curves_info(results, gather_cells(results), config).facets
    assert line.mean == pytest.approx(0.1 * sum(k**2 for k in range(1, 9)) / 8)
    assert (line.low < line.mean).all()
    assert (line.mean < line.high).all()


def test_a_name_says_which_runs_are_not_in_the_mean(make_study: Callable[..., Results]) -> None:
    def mixed(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str | None:
        if kind == "none":
            return "diverged"
        return [0.5, None, "diverged"][seed]

    results = make_study(mixed, {"weight_decay": {"decay": [0.1]}, "none": {}})
    no_epoch = results._replace(
        curves=results.curves[~results.curves["run"].str.startswith("none")]
    )
    info = curves_info(no_epoch, gather_cells(no_epoch), Curves())
    legend = draw_curves(info).axes[0].get_legend()
    assert legend is not None
    assert [text.get_text().replace("\n  ", " ") for text in legend.get_texts()] == [
        "none (diverged)",
        "weight_decay, worst (1 of 3 diverged, 1 of 3 not run yet, one seed)",
    ]


def test_the_baseline_is_drawn_once_and_at_its_best(make_study: Callable[..., Results]) -> None:
    results = make_study(accuracy, PLANE)
    config = Curves(baseline="weight_decay", best=1)
    [(_, [lines])] = curves_info(results, gather_cells(results), config).facets
    assert [(line.label, line.role) for line in lines] == [
        ("weight_decay decay=0.2", "best"),
        ("weight_decay decay=0.3", "baseline"),
        ("weight_decay decay=0.4", "worst"),
    ]


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
