from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import trapezoid

from regsearch.train.summary import (
    area,
    best,
    gap,
    last10,
    last10pct,
    summarize,
    value_at,
)


def curve(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_best_follows_the_direction() -> None:
    assert best(curve(1, 3, 2), True) == 3
    assert best(curve(1, 3, 2), False) == 1


def test_last10_is_the_mean_of_the_last_ten_epochs() -> None:
    assert last10(curve(*range(20))) == 14.5  # (10 + ... + 19) / 10
    assert last10(curve(1, 2)) == 1.5


def test_gap_is_the_loss_since_the_best_epoch_whatever_the_direction() -> None:
    rises, falls = curve(*[0.0] * 10, *[0.8] * 10), curve(0.9, *[0.5] * 10)
    assert gap(falls, True) == pytest.approx(0.4)
    assert gap(rises, False) == pytest.approx(0.8)


def test_a_diverged_run_has_a_best_but_no_end() -> None:
    summary = summarize({"test_accuracy": curve(0.3, 0.6, np.nan)})
    assert summary["test_accuracy_best"] == pytest.approx(0.6)
    for name in ("test_accuracy", "test_accuracy_last10", "test_accuracy_gap"):
        assert summary[name] is None


def test_a_run_that_never_was_finite_has_no_numbers() -> None:
    assert set(summarize({"weight_norm": curve(np.nan)}).values()) == {None}


def test_direction_comes_from_the_metric() -> None:
    summary = summarize({"test_loss": curve(2, 1, 3), "max_weight": curve(2, 1, 3)})
    assert summary["test_loss_best"] == 1
    assert summary["max_weight_best"] == 1


@pytest.mark.parametrize(("epochs", "end"), [(1, 1), (9, 1), (10, 1), (11, 2), (40, 4), (100, 10)])
def test_last10pct_is_the_mean_of_the_last_tenth_rounded_up(epochs: int, end: int) -> None:
    values = np.random.default_rng(epochs).normal(size=epochs)
    assert last10pct(values) == pytest.approx(sum(values[epochs - end :].tolist()) / end)


def test_area_is_scipys_trapezoid_per_epoch_over_the_epochs_measured() -> None:
    values = np.random.default_rng(0).normal(size=12)
    values[[0, 4, 7]] = np.nan
    seen = np.flatnonzero(~np.isnan(values))
    expected = trapezoid(values[seen], seen) / (11 - 1)
    assert area(values) == pytest.approx(expected)
    assert area(curve(*[0.25] * 7)) == 0.25
    assert area(curve(np.nan, 0.5)) == 0.5


def test_learning_early_gives_the_larger_area() -> None:
    early, late = area(curve(0, 1, 1, 1)), area(curve(0, 0, 0, 1))
    assert early == pytest.approx(2.5 / 3)
    assert late == pytest.approx(0.5 / 3)


@pytest.mark.parametrize("summary", [last10pct, area])
def test_a_diverged_run_has_no_end_and_no_area(summary: Callable[..., float | None]) -> None:
    assert summary(curve(0.5, 0.6, np.nan)) is None
    assert summary(curve()) is None


def test_value_at_reads_what_the_metric_asks_for() -> None:
    falls = curve(*[0.9, 0.1] * 10)
    asked = {"last": 0.1, "best": 0.9, "last10": 0.5, "last10pct": 0.5, "gap": 0.4, "epoch:1": 0.9}
    for at, expected in asked.items():
        assert value_at(falls, at, True) == pytest.approx(expected), at
    assert value_at(falls, "best", False) == pytest.approx(0.1)
    assert value_at(falls, "area", True) == pytest.approx(0.5)
    assert value_at(falls, "epoch:21", True) is None
    assert value_at(curve(), "last", True) is None
