from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from scipy import stats as oracle

from regsearch.report import REPORTS, Results
from regsearch.report.axes import choose_axes
from regsearch.report.cell_values import gather_cells
from regsearch.report.phase_diagram import PhaseDiagram, sections
from regsearch.report.phase_info import (
    PhaseDiagramInfo,
    Square,
    difference_map_info,
    edges,
    phase_diagram_info,
)
from regsearch.report.quantities import quantity

PLANE = {
    "volumization": {"v": [1.0, 0.0, 2.0], "alpha": [1.0, -1.0]},
    "weight_decay": {"decay": [0.1, 0.01]},
    "none": {},
}
JITTER = [-0.01, 0.0, 0.02]


def info_of(
    results: Results,
    word: str = "last10",
    make: Callable[..., PhaseDiagramInfo] = phase_diagram_info,
) -> PhaseDiagramInfo:
    cells = gather_cells(results)
    axes = choose_axes(cells, None, None, None)
    assert axes is not None
    return make(results, cells, axes, quantity(word, results.metric))


def by_place(info: PhaseDiagramInfo, panel: int = 0) -> dict[tuple[str, str], Square]:
    return {(info.x_ticks[int(s.x)], info.y_ticks[int(s.y)]): s for s in info.panels[panel].squares}


def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str | None:
    """Good at v = 1, alpha = -1; v = 0 diverges; v = 2, alpha = 1 is partly missing."""
    if kind != "volumization":
        return 0.5 + JITTER[seed]
    if settings["v"] == 0:
        return "diverged" if settings["alpha"] == -1 or seed == 1 else 0.9
    if settings == {"v": 2.0, "alpha": 1.0}:
        return 0.6 if seed == 0 else None
    if settings == {"v": 1.0, "alpha": 1.0}:
        return 0.5 + JITTER[seed]
    gain = 0.3 if settings["v"] == 1 else 0.25
    return 0.5 + gain + JITTER[seed] * (1.1 if settings["v"] == 1 else 1)


@pytest.fixture
def results(make_study: Callable[..., Results]) -> Results:
    return make_study(accuracy, PLANE)


def test_cells_lie_at_the_tested_values_in_ascending_order(results: Results) -> None:
    info = info_of(results)
    assert info.x_ticks == ["0", "1", "2"]
    assert info.y_ticks == ["-1", "1"]
    assert len(info.panels[0].squares) == 6


def test_a_cell_shows_mean_spread_and_n_of_its_seeds(results: Results) -> None:
    square = by_place(info_of(results))["1", "1"]
    assert square.mean == pytest.approx(0.5 + 0.01 / 3)
    assert square.spread == pytest.approx(
        math.sqrt(((-0.04 / 3) ** 2 + (0.01 / 3) ** 2 + 0.05**2 / 9) / 2)
    )
    assert (square.n, square.planned, square.note) == (3, 3, "")


def test_divergence_never_improves_a_cell(results: Results) -> None:
    """v = 0, alpha = 1 has the highest mean, of the two runs that survived."""
    squares = by_place(info_of(results))
    survivor, lost = squares["0", "1"], squares["0", "-1"]
    assert survivor.mean == pytest.approx(0.9)
    assert (survivor.diverged, survivor.note, survivor.best) == (1, "1 of 3 diverged", False)
    assert math.isnan(lost.mean)
    assert (lost.n, lost.diverged, lost.note) == (0, 3, "diverged")
    assert [place for place, square in squares.items() if square.best] == [("1", "-1")]


def test_a_lucky_single_seed_is_not_the_best(make_study: Callable[..., Results]) -> None:
    def lucky(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | None:
        if settings.get("v") == 1:
            return 0.99 if seed == 0 else None
        return 0.5

    square = by_place(info_of(make_study(lucky, PLANE)))["1", "1"]
    assert (square.n, square.note, square.best) == (1, "2 of 3 not run yet", False)


def test_the_equals_of_the_best_are_told_by_a_paired_test(results: Results) -> None:
    """The runner-up is 0.05 behind in every seed: paired, that is certain despite the spread."""
    squares = by_place(info_of(results))
    assert not squares["2", "-1"].tied
    assert squares["1", "-1"].tied


def test_cells_within_the_noise_are_outlined(make_study: Callable[..., Results]) -> None:
    def noisy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        if settings.get("v") == 2:
            return [0.79, 0.82, 0.78][seed]
        return [0.80, 0.79, 0.83][seed] if settings.get("v") == 1 else 0.3

    info = info_of(make_study(noisy, PLANE))
    assert {place for place, square in by_place(info).items() if square.tied} == {
        (v, alpha) for v in ("1", "2") for alpha in ("-1", "1")
    }
    # the outline of a block of two by two cells: two edges on each of four sides
    assert len(info.panels[0].outline) == 8


def test_the_boundary_runs_between_cells_that_beat_the_baseline_and_others(
    results: Results,
) -> None:
    """(1, -1) and (2, -1) beat none, (1, 1) equals it, (0, *) diverges, (2, 1) has one seed only:
    an edge below (1, 1) and one to the left of (1, -1), none towards the unknown.
    """
    boundary = info_of(results).panels[0].boundary
    assert sorted(boundary) == [((0.5, -0.5), (0.5, 0.5)), ((0.5, 0.5), (1.5, 0.5))]


def test_edges_of_a_single_square() -> None:
    alone = {(0, 0): True, (1, 0): False}
    assert edges(alone, rim=False) == [((0.5, -0.5), (0.5, 0.5))]
    assert len(edges(alone, rim=True)) == 4


def test_differences_are_paired_and_zero_in_the_limit_case(results: Results) -> None:
    info = info_of(results, make=difference_map_info)
    squares = by_place(info)
    assert squares["1", "1"].mean == 0
    assert squares["1", "1"].tied
    assert squares["2", "-1"].mean == pytest.approx(0.25)
    assert not squares["2", "-1"].tied
    assert info.limits[0] == -info.limits[1]


def gains(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
    """p = 0.008 at v = 1, 0.031 at v = 2 and 4, 0.38 at v = 8; one run of v = 16 diverges."""
    if kind == "none":
        return 0.5 + JITTER[seed]
    if settings["v"] == 16 and seed == 0:
        return "diverged"
    noise_of = {1.0: 0.005, 2.0: 0.01, 4.0: 0.01, 8.0: 0.05, 16.0: 0.001}[settings["v"]]
    return 0.5 + JITTER[seed] + 0.032 + noise_of * [-1, 0, 1][seed]


@pytest.mark.parametrize(
    ("correction", "beating"),
    [("none", ["1", "2", "4"]), ("holm", ["1"]), ("benjamini_hochberg", ["1", "2", "4"])],
)
def test_a_difference_is_marked_by_its_corrected_p_value(
    make_study: Callable[..., Results], correction: str, beating: list[str]
) -> None:
    """t = 0.032 sqrt(3) / s with two degrees of freedom, and four tests, as survivors have none.

    Holm asks for p < 0.0125, then for 0.0167; Benjamini and Hochberg for three below 0.0375.
    """
    results = make_study(gains, {"volumization": {"v": [1.0, 2.0, 4.0, 8.0, 16.0]}, "none": {}})
    cells = gather_cells(results)
    axes = choose_axes(cells, None, None, None)
    assert axes is not None
    what = quantity("last10", results.metric)
    info = difference_map_info(results, cells, axes, what, "none", correction)  # type: ignore[arg-type]
    squares = {info.x_ticks[int(s.x)]: s for s in info.panels[0].squares}
    assert [v for v, square in squares.items() if not square.tied] == beating
    assert info.compared == 4
    assert math.isnan(squares["16"].p)
    assert squares["16"].mean == pytest.approx(0.0325)
    if correction == "none":
        t = [0.032 * math.sqrt(3) / sd for sd in (0.005, 0.01, 0.01, 0.05)]
        expected = 2 * oracle.t.sf(t, 2)
        assert [squares[v].p for v in ("1", "2", "4", "8")] == pytest.approx(expected)
        assert expected == pytest.approx([0.0080, 0.0310, 0.0310, 0.384], abs=0.002)


def test_a_bootstrap_interval_stands_where_it_is_asked_for(
    make_study: Callable[..., Results],
) -> None:
    results = make_study(gains, {"volumization": {"v": [1.0, 2.0, 4.0]}, "none": {}})
    config = PhaseDiagram(metrics=["last10"], interval="bootstrap", correction="none")
    contrast = sections(results, config)[1]
    assert "95 % bootstrap interval" in contrast.text
    assert contrast.pictures[0].caption.endswith(
        "Bold: p < 5 % in each of 3 comparisons, not corrected for their number."
    )
    data = contrast.pictures[0].data
    # all 27 resamples of -1, 0, 1: the smallest and the largest mean are among the outer 5 %
    assert data["low"].tolist() == pytest.approx([0.027, 0.022, 0.022])
    assert data["high"].tolist() == pytest.approx([0.037, 0.042, 0.042])


def test_without_a_baseline_there_is_no_boundary_and_no_difference(
    make_study: Callable[..., Results],
) -> None:
    results = make_study(accuracy, {"volumization": PLANE["volumization"]})
    assert info_of(results).panels[0].boundary == []
    assert [section.title for section in sections(results, PhaseDiagram())] == [
        "Phase diagram of volumization"
    ]


def test_one_colour_scale_spans_all_facets(make_study: Callable[..., Results]) -> None:
    def by_noise(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        return 0.9 - noise + 0.01 * settings.get("v", 0)

    info = info_of(make_study(by_noise, PLANE, noises=(0.0, 0.4)))
    assert [panel.title for panel in info.panels] == ["label noise = 0", "label noise = 0.4"]
    assert info.limits == pytest.approx((0.5, 0.92))


def test_a_corner_that_breaks_down_does_not_flatten_the_colours(
    make_study: Callable[..., Results],
) -> None:
    plane = {"volumization": {"v": [float(v) for v in range(6)], "alpha": [0.0, 1.0]}}

    def cliff(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        return 0.1 if settings == {"v": 0.0, "alpha": 0.0} else 0.9 + 0.01 * settings["v"]

    info = info_of(make_study(cliff, plane))
    assert info.limits == pytest.approx((0.9, 0.95))
    assert info.clipped == (True, False)


def test_scattered_cells_stay_where_they_are(make_study: Callable[..., Results]) -> None:
    plane = {"volumization": {"v": [1.0, 2.0, 4.0, 8.0, 16.0], "alpha": [0.0, 0.1, 0.2, 0.3, 0.4]}}
    full = make_study(lambda *_: 0.5, plane)
    diagonal = ["1-0", "2-0.1", "4-0.2", "8-0.3", "16-0.4"]
    keep = [f"volumization-{point}-0" for point in diagonal]
    sparse = full._replace(
        planned=full.planned[full.planned["cell"].isin(keep)],
        records=full.records[full.records["cell"].isin(keep)],
    )
    info = info_of(sparse)
    assert info.x_ticks == []
    assert [(s.x, s.y) for s in info.panels[0].squares] == [
        (1, 0), (2, 0.1), (4, 0.2), (8, 0.3), (16, 0.4),
    ]  # fmt: skip


def test_other_methods_are_shown_beside_on_the_same_scale(results: Results) -> None:
    beside = info_of(results).panels[0].beside
    assert beside.baseline is not None
    assert beside.baseline[0] == pytest.approx(0.5 + 0.01 / 3)
    [decay] = beside.groups
    assert decay.label == "weight_decay: decay"
    assert [point.tick for point in decay.points] == ["0.01", "0.1"]


def test_a_metric_at_an_epoch_reads_the_curve(results: Results) -> None:
    squares = by_place(info_of(results, "epoch:2"))
    assert squares["1", "1"].mean == pytest.approx(0.5 + 0.01 / 3)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"x": "w"}, "x: no hyper-parameter or factor named 'w'"),
        (
            {"metrics": ["bets"]},
            "metrics[0]: no measured quantity named 'bets'. Did you mean 'best'?",
        ),
    ],
)
def test_wrong_names_are_found_before_anything_runs(config: dict[str, Any], words: str) -> None:
    columns = ["volumization.v", "volumization.alpha", "test_accuracy"]
    [problem] = REPORTS["phase_diagram"].check(PhaseDiagram(**config), columns)
    assert problem.startswith(words)


def test_with_one_seed_nothing_can_be_told_apart(make_study: Callable[..., Results]) -> None:
    def steep(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        return 0.5 + 0.1 * settings.get("v", 0)

    results = make_study(steep, PLANE, seeds=(0,))
    info = info_of(results)
    assert all(square.tied for square in info.panels[0].squares)
    assert info.panels[0].outline == []
    plane, contrast = sections(results, PhaseDiagram(metrics=["last10"]))
    assert "(n = 1), one seed: nothing can be told apart." in plane.pictures[0].caption
    assert contrast.pictures[0].caption.endswith("Too few seeds: nothing can be told apart.")


def test_captions_name_the_best_cell(results: Results) -> None:
    """(2, 1), 20 points behind, has one seed only: no test tells it from the best."""
    plane = sections(results, PhaseDiagram(metrics=["last10"]))[0]
    assert (
        "volumization v=1 alpha=-1, 80.37 ± 1.68 (n = 3), one other cell not distinguishable"
        in plane.pictures[0].caption
    )
