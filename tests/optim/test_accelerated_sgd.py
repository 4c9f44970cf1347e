"""Accelerated SGD against a loop over its formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from regsearch.optim import OPTIMIZERS
from regsearch.optim.accelerated_sgd import AcceleratedSGD, update
from regsearch.space import per_run_fields

RULE = OPTIMIZERS["accelerated_sgd"]
RUNS: list[dict[str, Any]] = [
    {"lr": 0.01, "kappa": 1000.0, "xi": 10.0},
    {"lr": 0.001, "kappa": 1e4, "xi": 10.0},
    {"lr": 0.1, "kappa": 4.0, "xi": 2.0, "c": 1.0},
]


def by_hand(w: float, grads: list[float], c: AcceleratedSGD) -> float:
    """One weight, number by number, in the order of the released code."""
    buf, large = w, c.lr * c.kappa / c.c
    beta = c.c**2 * c.xi / c.kappa
    zeta = c.c / (c.c + beta)
    for g in grads:
        buf = ((1 / beta - 1) * buf - large * g + w) * beta
        w = (w - c.lr * g) * zeta + (1 - zeta) * buf
    return w


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_weight_of_every_run_follows_the_formulas(dtype: torch.dtype) -> None:
    configs = [AcceleratedSGD(**run) for run in RUNS]
    hp = {
        name: torch.tensor([getattr(c, name) for c in configs], dtype=torch.float64)
        for name in per_run_fields(AcceleratedSGD)
    }
    start = torch.randn(3, 4, dtype=dtype)
    grads = [torch.randn(3, 4, dtype=dtype) for _ in range(12)]
    params = {"w": start}
    slots = RULE.slots(params, configs[0])
    for step, grad in enumerate(grads, start=1):
        params, slots = update(params, {"w": grad}, slots, torch.tensor(step), hp, configs[0])
    close = 1e-12 if dtype == torch.float64 else 1e-4
    for k, config in enumerate(configs):
        for i in range(4):
            expected = by_hand(float(start[k, i]), [float(g[k, i]) for g in grads], config)
            assert float(params["w"][k, i]) == pytest.approx(expected, rel=close, abs=close)


def test_the_average_starts_at_the_weights_and_is_no_momentum() -> None:
    params = {"w": torch.randn(2, 3)}
    slots = RULE.slots(params, AcceleratedSGD())
    assert torch.equal(slots["average"]["w"], params["w"])
    assert slots["average"]["w"] is not params["w"]
    assert RULE.momentum(AcceleratedSGD()) is None


def test_without_gradients_nothing_moves() -> None:
    params = {"w": torch.randn(1, 5, dtype=torch.float64)}
    config = AcceleratedSGD()
    hp = {name: torch.tensor([getattr(config, name)]) for name in per_run_fields(type(config))}
    moved, _ = update(
        params,
        {"w": torch.zeros(1, 5, dtype=torch.float64)},
        RULE.slots(params, config),
        torch.tensor(1),
        hp,
        config,
    )
    torch.testing.assert_close(moved["w"], params["w"], rtol=1e-6, atol=0)


def test_an_impossible_advantage_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"square root of kappa, 10, got 11; lower xi"):
        AcceleratedSGD(kappa=100.0, xi=11.0)
