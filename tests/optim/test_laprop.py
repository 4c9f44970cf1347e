"""LaProp against a loop over its formulas, its limit cases, and the edges of float32."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from regsearch.optim import OPTIMIZERS, Slots
from regsearch.optim.laprop import LaProp, update

RATES = (4e-4, 0.1, 0.02)


def hyper(lr: tuple[float, ...] = RATES, eps: float = 1e-15) -> dict[str, Tensor]:
    return {
        "lr": torch.tensor(lr, dtype=torch.float64),
        "eps": torch.full((len(lr),), eps, dtype=torch.float64),
    }


def first_slots(params: dict[str, Tensor], config: LaProp) -> Slots:
    return OPTIMIZERS["laprop"].slots(params, config)


def by_hand(w: float, grads: list[float], lr: float, mu: float, nu: float, eps: float) -> float:
    """One weight, number by number."""
    m = n = 0.0
    for t, g in enumerate(grads, start=1):
        n = nu * n + (1 - nu) * g**2
        m = mu * m + (1 - mu) * g / (math.sqrt(n / (1 - nu**t)) + eps)
        w -= lr * m / (1 - mu**t)
    return w


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.9), (0.8, 0.0)])
@pytest.mark.parametrize("eps", [1e-15, 1e-2])
def test_every_weight_of_every_run_follows_the_formulas(
    betas: tuple[float, float], eps: float
) -> None:
    config = LaProp(betas=betas, eps=eps)
    start = torch.randn(3, 4, dtype=torch.float64)
    grads = [torch.randn(3, 4, dtype=torch.float64) * 10.0 ** (i % 3 - 1) for i in range(9)]
    params = {"w": start}
    slots = first_slots(params, config)
    for step, grad in enumerate(grads, start=1):
        params, slots = update(
            params, {"w": grad}, slots, torch.tensor(step), hyper(eps=eps), config
        )
    for k, lr in enumerate(RATES):
        for i in range(4):
            expected = by_hand(float(start[k, i]), [float(g[k, i]) for g in grads], lr, *betas, eps)
            assert float(params["w"][k, i]) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_first_step_moves_by_the_learning_rate() -> None:
    grads = {"w": torch.randn(3, 50, dtype=torch.float64)}
    params = {"w": torch.zeros(3, 50, dtype=torch.float64)}
    config = LaProp()
    moved, _ = update(params, grads, first_slots(params, config), torch.tensor(1), hyper(), config)
    torch.testing.assert_close(moved["w"], -hyper()["lr"][:, None] * grads["w"].sign())


def test_without_memory_of_the_gradient_it_is_adam() -> None:
    settings: dict[str, Any] = {"betas": (0.0, 0.99), "eps": 1e-8}
    adam = OPTIMIZERS["adam"]
    theirs = adam.config.model_validate({"kind": "adam", "lr": 0.1, **settings})
    ours = LaProp(**settings)
    params = {"w": torch.randn(3, 7, dtype=torch.float64)}
    pair = [params, params]
    slots = [first_slots(params, ours), adam.slots(params, theirs)]
    for step in range(1, 8):
        grads = {"w": torch.randn(3, 7, dtype=torch.float64)}
        at = torch.tensor(step)
        pair[0], slots[0] = update(pair[0], grads, slots[0], at, hyper(eps=1e-8), ours)
        pair[1], slots[1] = adam.update(pair[1], grads, slots[1], at, hyper(eps=1e-8), theirs)
        torch.testing.assert_close(pair[0]["w"], pair[1]["w"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("flush", [False, True])
def test_gradients_that_vanish_in_float32_stay_bounded(flush: bool) -> None:
    """No gradient, and those whose square is denormal or 0: never NaN, never a long step."""
    torch.set_flush_denormal(flush)  # tests/conftest.py sets it back
    params = {"w": torch.zeros(1, 6)}
    config = LaProp()
    slots = first_slots(params, config)
    tiny = torch.tensor([[0.0, 1e-12, 1e-19, 1e-20, 1e-25, 1e-37]])
    for step in range(1, 5):
        params, slots = update(
            params, {"w": tiny}, slots, torch.tensor(step), hyper((0.1,)), config
        )
    assert params["w"][0, 0] == 0
    assert (params["w"] <= 0).all()
    assert (params["w"].abs() <= 4 * 0.1 * 1.001).all()
