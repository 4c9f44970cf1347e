"""Decoupled decay that would take weights to zero, or past it, in one step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from regsearch.regularizers import REGULARIZERS

METHODS = ("weight_decay", "adadecay", "random_decay")


def problems(kind: str, lr: float, **hp: Any) -> list[str]:
    method = REGULARIZERS[kind]
    return method.problems(method.config.model_validate({"kind": kind, **hp}), lr)


@pytest.mark.parametrize("kind", METHODS)
def test_a_factor_that_is_not_positive_is_told_with_both_values(kind: str) -> None:
    most, product = (1, "lr * decay") if kind == "weight_decay" else (2, "2 * lr * decay")
    assert problems(kind, 0.5, decay=1.99 / most, coupled=False) == []
    for decay, left in ((2 / most, "0"), (6 / most, "-2")):
        [problem] = problems(kind, 0.5, decay=decay, coupled=False)
        assert problem.startswith(f"decay {decay:g}, decoupled, at the learning rate 0.5 ")
        assert f"1 - {product} = {left} in a step" in problem
        assert problem.endswith("or write coupled: true")
    assert problems(kind, 0.5, decay=6, coupled=True) == []


@pytest.mark.parametrize("kind", METHODS[1:])
def test_without_steepness_the_factor_is_that_of_weight_decay(kind: str) -> None:
    assert problems(kind, 0.5, decay=1.5, steepness=0.0, coupled=False) == []
    assert problems(kind, 0.5, decay=2.0, steepness=0.0, coupled=False)


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("product", [0.999, 1.0, 3.0])
def test_what_is_told_is_what_happens(kind: str, product: float) -> None:
    """One weight has a gradient far above the others', so adadecay gives it its largest factor."""
    lr, most = 0.5, 1 if kind == "weight_decay" else 2
    hp = {"decay": product / most / lr, "steepness": 100.0}
    if kind == "weight_decay":
        del hp["steepness"]
    method = REGULARIZERS[kind]
    model = torch.nn.Linear(64, 64, bias=False).double()
    config = method.config.model_validate({"kind": kind, "coupled": False, **hp})
    params = {"weight": model.weight.detach()[None]}
    grads = {"weight": torch.zeros_like(params["weight"])}
    grads["weight"][0, 0, 0] = 1.0
    reals = {name: torch.tensor([value], dtype=torch.float64) for name, value in hp.items()}
    counts = {"step": torch.tensor([1]), "seed": torch.tensor([0])}
    now = {**reals, **counts, "lr": torch.tensor([lr], dtype=torch.float64)}
    plan = method.plan(model, params, config)
    left = method.before_step(params, grads, now, plan)["weight"] / params["weight"]
    assert left.min().item() == pytest.approx(1 - product, abs=1e-6)
    assert bool(method.problems(config, lr)) is (product >= 1)


def test_other_methods_take_any_rate() -> None:
    assert problems("lasso", 100.0, strength=100.0) == []
