from __future__ import annotations

import numpy as np
import pytest

from regsearch.train.summary import best, gap, last10, summarize


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
