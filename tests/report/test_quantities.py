from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from regsearch.errors import UnknownName
from regsearch.report import Metric, Results
from regsearch.report.cell_values import gather_cells, seed_values
from regsearch.report.quantities import check_quantity, known_quantity, number, quantity
from regsearch.study.settings import SUMMARIES as JUDGED
from regsearch.study.settings import Metric as StudyMetric

METRIC = Metric("test_accuracy", "maximize", "last10")


@pytest.mark.parametrize(
    ("word", "column", "direction", "percent"),
    [
        ("best", "test_accuracy_best", 1, True),
        ("last", "test_accuracy", 1, True),
        ("gap", "test_accuracy_gap", -1, True),
        ("epoch:20", "test_accuracy@20", 1, True),
        ("test_accuracy@20", "test_accuracy@20", 1, True),
        ("train_loss_last10", "train_loss_last10", -1, False),
        ("last10pct", "test_accuracy_last10pct", 1, True),
        ("train_loss_area", "train_loss_area", -1, False),
        ("weight_norm", "weight_norm", -1, False),
        ("sharpness_best", "sharpness_best", 0, False),
    ],
)
def test_a_word_names_a_column_with_direction_and_unit(
    word: str, column: str, direction: int, percent: bool
) -> None:
    found = quantity(word, METRIC)
    assert (found.column, found.direction, found.percent) == (column, direction, percent)


def test_the_goal_of_the_study_decides_about_its_own_metric() -> None:
    assert quantity("last", Metric("weight_norm", "maximize")).direction == 1
    assert quantity("last", Metric("test_accuracy", "minimize")).direction == -1


def test_numbers_are_shown_in_percent_with_two_decimals() -> None:
    accuracy, norm = quantity("best", METRIC), quantity("weight_norm", METRIC)
    assert accuracy.text(0.97555) == "97.56"
    assert accuracy.text(-0.0123, sign=True) == "\u22121.23"
    assert accuracy.text(math.nan) == "\u2013"
    assert norm.pair(14.1666, 0.50712) == "14.17 ± 0.51"
    assert norm.pair(1234567.0, 10.0) == "1.23e+06 ± 10"


def test_an_unknown_quantity_is_named_with_the_nearest(
    make_study: Callable[..., Results],
) -> None:
    assert check_quantity("best", []) == []
    assert check_quantity("weight_norm", ["weight_norm"]) == []
    with pytest.raises(
        UnknownName, match=r"no measured quantity named 'weigth_norm'.*'weight_norm'"
    ):
        known_quantity("weigth_norm", make_study(lambda *_: 0.5, {"none": {}}))


def test_before_a_run_has_completed_any_quantity_is_believed(
    make_study: Callable[..., Results],
) -> None:
    results = make_study(lambda *_: None, {"none": {}})
    assert known_quantity("max_weight", results).column == "max_weight"


def test_what_is_read_from_curves_needs_a_curve_and_no_column() -> None:
    assert check_quantity("weight_norm_area", ["weight_norm"]) == []
    assert check_quantity("weight_norm@3", ["weight_norm"]) == []
    [problem] = check_quantity("wieght_norm_area", ["weight_norm"])
    assert problem.startswith("no measured quantity named 'wieght_norm_area'.")


@pytest.mark.parametrize("word", ["last10pct", "area", "epoch:13"])
def test_values_read_from_curves_are_those_of_each_run(
    make_study: Callable[..., Results], word: str
) -> None:
    """Curves of 20 epochs, shuffled; pandas and numpy read each by itself."""
    results = make_study(lambda *_: 0.5, {"none": {}}, epochs=20)
    heights = np.random.default_rng(0).normal(size=len(results.curves))
    curves = results.curves.assign(test_accuracy=heights)
    results = results._replace(curves=curves.sample(frac=1, random_state=0))
    found = seed_values(results, gather_cells(results), quantity(word, results.metric)).iloc[0]
    for seed, run in enumerate(heights.reshape(3, 20)):
        expected = {
            "last10pct": run[-2:].mean(),
            "area": (run.sum() - run[0] / 2 - run[-1] / 2) / 19,
            "epoch:13": run[12],
        }
        assert found[seed] == pytest.approx(expected[word])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9999, "0.9999"),
        (1.0, "1"),
        (-0.5, "-0.5"),
        (5e-5, "5e-5"),
        (0.0005000000000000001, "5e-4"),
        (0.000125, "1.25e-4"),
        (0.99999999, "0.99999999"),
        (1200, "1200"),
        (2.5e7, "2.5e7"),
        (0, "0"),
        ("fan_in", "fan_in"),
        (True, "True"),
    ],
)
def test_settings_are_written_as_one_would(value: object, text: str) -> None:
    assert number(value) == text


def test_labels_may_round() -> None:
    assert number(0.123456789, 4) == "0.1235"


@pytest.mark.parametrize("at", ["last", *JUDGED, "epoch:2"])
def test_whatever_judges_a_study_can_be_reported(
    make_study: Callable[..., Results], at: str
) -> None:
    """Curves are level, so each summary of a run is its accuracy; but the best is 0.1 higher."""
    metric = StudyMetric.model_validate({"name": "test_accuracy", "at": at})
    results = make_study(lambda *a: 0.5 + 0.1 * a[3], {"none": {}})
    results = results._replace(metric=Metric(metric.name, metric.goal, metric.at))
    found = seed_values(results, gather_cells(results), quantity(at, results.metric))
    shift = 0.1 if at == "best" else 0.0
    assert found.to_numpy().tolist() == [pytest.approx([0.5 + shift, 0.6 + shift, 0.7 + shift])]


def test_what_training_took_is_of_no_epoch() -> None:
    took = quantity("samples_per_second", Metric("test_accuracy"))
    assert (took.label, took.direction) == ("Samples per second", 1)
    assert quantity("seconds", Metric("test_accuracy")).direction == -1
    assert quantity("flops", Metric("test_accuracy")).label == "Flops, last epoch"
