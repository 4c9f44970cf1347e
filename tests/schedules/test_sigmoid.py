"""Sigmoid annealing against its formula in NumPy, its limits, and the paper's two ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

START, END = 0.1, 0.001
Whole = Callable[..., Tensor]


def sigmoid(**more: Any) -> dict[str, Any]:
    return {"kind": "sigmoid", "end": END, **more}


@pytest.mark.parametrize("steepness", [0.5, 6.0, 10.0, 14.0, 100.0])
@pytest.mark.parametrize("epochs", [2, 3, 50, 101])
def test_the_formula(epochs: int, steepness: float, whole_training: Whole) -> None:
    way = np.arange(epochs) / (epochs - 1)
    z = 1 / (1 + np.exp(steepness * (way - 1 / 2)))
    share = (z - z[-1]) / (z[0] - z[-1])
    ours = whole_training([START], [sigmoid(steepness=steepness)], epochs)[:, 0].numpy()
    np.testing.assert_allclose(ours, END + (START - END) * share, rtol=1e-12)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("every", ["epoch", "step"])
@pytest.mark.parametrize("steepness", [1e-9, 10.0, 1000.0])
def test_the_ends_are_exact(steepness: float, every: str, log: bool, whole_training: Whole) -> None:
    setting = sigmoid(steepness=steepness, every=every, log=log)
    rates = whole_training([START], [setting], epochs=7, steps=3)[:, 0]
    assert rates[0] == START
    assert rates[-1] == END
    assert bool((rates.diff() <= 0).all())


def test_the_middle_is_the_mean_of_the_ends(whole_training: Whole) -> None:
    settings = [sigmoid(steepness=k) for k in (1.0, 10.0)]
    rates = whole_training([START, START], settings, epochs=101)
    torch.testing.assert_close(rates[50], torch.full_like(rates[50], (START + END) / 2))


def test_in_logarithms_the_middle_is_the_geometric_mean(whole_training: Whole) -> None:
    plain = whole_training([1.0], [{"kind": "sigmoid", "end": 1e-2}], epochs=101)[:, 0]
    rates = whole_training([1.0], [{"kind": "sigmoid", "end": 1e-2, "log": True}], epochs=101)[:, 0]
    assert float(rates[50]) == pytest.approx(0.1, rel=1e-14)
    exponents = (plain - 1e-2) / (1 - 1e-2)  # the share that is left of the start
    torch.testing.assert_close(rates.log10(), -2 * (1 - exponents), rtol=1e-9, atol=1e-14)


def test_not_normalized_it_misses_the_ends(whole_training: Whole) -> None:
    rates = whole_training([START], [sigmoid(normalized=False)], epochs=100)[:, 0]
    assert round(float(rates[0]), 4) == 0.0993
    assert round(float(rates[-1]), 4) == 0.0017


def test_flat_it_is_a_straight_line(whole_training: Whole) -> None:
    rates = whole_training([START], [sigmoid(steepness=1e-6)], epochs=11)[:, 0]
    line = torch.linspace(START, END, 11, dtype=torch.float64)
    torch.testing.assert_close(rates, line, rtol=1e-9, atol=0)


def test_steep_it_is_one_drop(whole_training: Whole) -> None:
    rates = whole_training([START], [sigmoid(steepness=1e6)], epochs=10)[:, 0]
    assert rates.tolist() == [START] * 5 + [END] * 5


def test_runs_may_end_at_other_rates(whole_training: Whole) -> None:
    ends = [1e-5, 0.01, START]
    rates = whole_training([START] * 3, [{"kind": "sigmoid", "end": end} for end in ends], 9)
    assert rates[-1].tolist() == ends
    assert rates[:, 2].tolist() == [START] * 9
