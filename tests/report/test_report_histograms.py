"""The histograms of a report: which cells, which layers, and counts that add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from regsearch.errors import UnknownName
from regsearch.histogram import Histogram
from regsearch.metrics._histogram import count_values
from regsearch.report import Results
from regsearch.report.cell_values import gather_cells
from regsearch.report.histograms import HistogramReport, check, sections
from regsearch.report.histograms_info import HistogramInfo, histogram_info

PLANE = {"volumization": {"v": [0.5, 1.0, 10.0]}, "none": {}}
WIDTHS = {"0.weight": 0.1, "0.bias": 1.0, "2.weight": 3.0}


def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
    if settings.get("v") == 10.0 and seed == 0:
        return "diverged"
    return 0.5 + settings.get("v", 0.0) / 100 + 0.1 * (noise == 0.4) * (settings.get("v") == 0.5)


def values(run: str, name: str) -> torch.Tensor:
    """What is distributed in a run: the later its name, the wider."""
    torch.manual_seed(sum(map(ord, run + name)))
    drawn = torch.randn(200) * WIDTHS.get(name, 2.0)
    return drawn if name in WIDTHS else drawn.abs()


def counted(run: str, name: str) -> Histogram:
    bins = 4 if name.endswith("bias") else 16
    return count_values(values(run, name)[None], bins, signed=name in WIDTHS).of_run(0)


@pytest.fixture
def results(make_study: Callable[..., Results]) -> Results:
    made = make_study(accuracy, PLANE, noises=(0.0, 0.4))
    done = made.records[made.records["status"] == "completed"]["run"]
    each = {
        run: {f"weights/{name}": counted(run, name) for name in WIDTHS}
        | {"lipschitz": counted(run, "lipschitz")}
        for run in done
    }
    medians = {run: float(values(run, "lipschitz").median()) for run in done}
    records = made.records.assign(
        lipschitz_median=made.records["run"].map(medians), lipschitz_p95=7.0
    )
    return made._replace(distributions=each, records=records)


def info_of(results: Results, of: str = "weights", wanted: Any = "best", **options: Any) -> Any:
    return histogram_info(results, gather_cells(results), of, wanted, **options)


def labels(info: HistogramInfo) -> list[list[str]]:
    return [[row.label for row in rows] for _, rows in info.facets]


def test_the_best_cell_of_each_regularizer_by_facet(results: Results) -> None:
    info = info_of(results)
    assert [title for title, _ in info.facets] == ["label noise = 0", "label noise = 0.4"]
    assert labels(info) == [["volumization v=1", "none"], ["volumization v=0.5", "none"]]


def test_all_cells_or_those_that_are_named(results: Results) -> None:
    every = [f"volumization v={v}" for v in ("0.5", "1", "10")] + ["none"]
    assert labels(info_of(results, wanted="all")) == [every] * 2
    some = ["none", "volumization v=10"]
    assert labels(info_of(results, wanted=some)) == [[*reversed(some)]] * 2
    with pytest.raises(UnknownName, match=r"no cell 'volumization v=2'.* 'volumization v=1'"):
        info_of(results, wanted=["volumization v=2"])


def test_seeds_are_one_sample_in_bins_that_all_cells_share(results: Results) -> None:
    info = info_of(results, wanted="all")
    for name, width in WIDTHS.items():
        rows = [row for _, rows in info.facets for row in rows]
        assert len({(row.found[f"weights/{name}"].high) for row in rows}) == 1
        for row in rows:
            runs = [f"{row.cell}-{seed}" for seed in range(3)]
            runs = [run for run in runs if run in results.distributions]
            assert row.runs == len(runs) == (2 if "10" in row.label else 3)
            found = row.found[f"weights/{name}"]
            drawn = torch.cat([values(run, name) for run in runs]).double().numpy()
            np.testing.assert_array_equal(found.counts, np.histogram(drawn, found.edges)[0])
            assert info.reach[f"weights/{name}"] >= np.abs(drawn).max() > 0.5 * width
        assert info.least[f"weights/{name}"] == pytest.approx(1 / 600)


def test_the_layers_asked_for_in_the_order_of_the_model(results: Results) -> None:
    assert info_of(results).names == [f"weights/{name}" for name in WIDTHS]
    asked = info_of(results, layers=["2.*", "*bias"])
    assert asked.names == ["weights/0.bias", "weights/2.weight"]
    with pytest.raises(UnknownName, match=r"layers: no layer matches '1.weight'.* '[02].weight'"):
        info_of(results, layers=["1.weight"])


def test_of_many_layers_six_matrices_are_drawn(results: Results) -> None:
    run = next(iter(results.distributions))
    deep = {f"weights/{i}.{part}": counted(run, f"0.{part}") for i in range(21)
            for part in ("weight", "bias")}  # fmt: skip
    results = results._replace(distributions=dict.fromkeys(results.distributions, deep))
    assert info_of(results).names == [f"weights/{i}.weight" for i in (0, 4, 8, 12, 16, 20)]


def test_a_cell_with_a_run_that_was_not_measured_is_left_out(results: Results) -> None:
    records = results.records
    none = records[(records["regularizer"] == "none") & (records["dataset.label_noise"] == 0)]
    less = results.distributions | {none["run"].iloc[1]: {}}
    info = info_of(results._replace(distributions=less))
    assert labels(info) == [["volumization v=1"], ["volumization v=0.5", "none"]]


def test_constants_have_the_marks_of_their_runs(results: Results) -> None:
    info = info_of(results, "lipschitz")
    row = info.facets[0][1][0]
    medians = [float(values(f"{row.cell}-{seed}", "lipschitz").median()) for seed in range(3)]
    assert row.marks == pytest.approx([np.mean(medians), 7.0])


def test_weights_are_drawn_as_a_grid_with_shares_that_can_be_read_off(results: Results) -> None:
    [section] = sections(results, HistogramReport(of="weights"))
    assert [picture.name for picture in section.pictures] == ["histograms_weights"] * 2
    figure = section.pictures[0].draw()
    assert len(figure.axes) == 2 * 3
    assert [ax.get_title(loc="left") for ax in figure.axes[:3]] == list(WIDTHS)
    assert figure.axes[3].get_xlim() == figure.axes[0].get_xlim()
    data = section.pictures[0].data
    for ax, (_, part) in zip(figure.axes, data.groupby(["label", "name"], sort=False), strict=True):
        [steps] = ax.patches
        heights, edges, _ = steps.get_data()
        np.testing.assert_allclose(heights, part["count"] / part["count"].sum())
        np.testing.assert_allclose(edges[:-1], part["low"])


def test_constants_are_drawn_over_each_other_in_coarser_bins(results: Results) -> None:
    [section] = sections(results, HistogramReport(of="lipschitz", cells="all"))
    [picture] = section.pictures
    figure = picture.draw()
    assert [ax.get_legend().get_title().get_text() for ax in figure.axes] == [
        "label noise = 0",
        "label noise = 0.4",
    ]
    for ax in figure.axes:
        outlines = [steps for steps in ax.patches if not steps.get_fill()]
        assert len(outlines) == 4
        for steps in outlines:
            heights, edges, _ = steps.get_data()
            assert heights.sum() == pytest.approx(100)
            assert heights.max() < ax.get_ylim()[1]
            assert edges[0] >= ax.get_xlim()[0]


def test_more_cells_than_can_be_drawn_are_told(make_study: Callable[..., Results]) -> None:
    plane = {"volumization": {"v": [float(v) for v in range(1, 31)]}}
    made = make_study(lambda *_: 0.5, plane, seeds=(0,))
    each = {run: {"weights/0.weight": counted(run, "0.weight")} for run in made.records["run"]}
    [section] = sections(
        made._replace(distributions=each), HistogramReport(of="weights", cells="all")
    )
    assert section.pictures[0].caption == "Weights by layer. The first 24 of 30 cells."
    assert section.pictures[0].data["label"].nunique() == 24


def test_nothing_measured_is_said(make_study: Callable[..., Results]) -> None:
    [section] = sections(make_study(accuracy, PLANE), HistogramReport(of="weights"))
    assert "No run with histograms" in section.text
    assert not section.pictures


def test_what_is_not_measured_is_refused_before_training() -> None:
    weights, constants = (HistogramReport(of=of) for of in ("weights", "lipschitz"))
    assert check(weights, ["peak_share"]) == check(constants, ["lipschitz_max"]) == []
    assert check(weights, ["lipschitz_max"]) == [
        "of: weights is not measured; add {kind: histograms} to `measure`"
    ]
    assert "add {kind: lipschitz}" in check(constants, ["peak_share"])[0]
