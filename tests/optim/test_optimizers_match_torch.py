"""Each run of a pack follows torch's own optimizer, step by step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from regsearch.optim import OPTIMIZERS
from regsearch.space import Kind, per_run_fields

CASES = [
    ("sgd", torch.optim.SGD, [{"lr": 0.1}, {"lr": 0.03}, {"lr": 1.0}]),
    (
        "sgd",
        torch.optim.SGD,
        [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.2, "momentum": 0.0}, {"lr": 0.01, "momentum": 0.5}],
    ),
    (
        "sgd",
        torch.optim.SGD,
        [
            {"lr": 0.1, "momentum": 0.9, "nesterov": True},
            {"lr": 0.2, "momentum": 0.5, "nesterov": True},
        ],
    ),
    ("adam", torch.optim.Adam, [{"lr": 1e-3}, {"lr": 0.1}, {"lr": 1e-4, "eps": 1e-15}]),
    (
        "adam",
        torch.optim.Adam,
        [{"lr": 0.01, "betas": [0.0, 0.9], "eps": 1e-3}, {"lr": 0.3, "betas": [0.0, 0.9]}],
    ),
    (
        "rmsprop",
        torch.optim.RMSprop,
        [
            {"lr": 1e-3, "alpha": 0.95},
            {"lr": 0.1, "momentum": 0.9},
            {"lr": 1e-2, "eps": 1e-3, "alpha": 0.0},
        ],
    ),
    (
        "rmsprop",
        torch.optim.RMSprop,
        [
            {"lr": 1e-3, "eps": 1e-2, "centered": True},
            {"lr": 0.1, "alpha": 0.5, "eps": 0.1, "momentum": 0.5, "centered": True},
        ],
    ),
    (
        "entropy_sgd",
        torch.optim.SGD,
        [
            {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.3},
            {"lr": 0.3, "momentum": 0.5, "nesterov": True},
        ],
    ),
]
OURS_ALONE: dict[str, dict[str, Any]] = {"entropy_sgd": {"inner_steps": 0}}
"""Structure at which a rule of ours is one of torch's."""


def stacked_hyperparameters(configs: list[Kind]) -> dict[str, Tensor]:
    reals = {
        name: torch.tensor([getattr(c, name) for c in configs], dtype=torch.float64)
        for name in per_run_fields(type(configs[0]))
    }
    return reals | {"seed": torch.arange(len(configs))}


@pytest.mark.parametrize(("kind", "theirs", "settings"), CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_run_follows_torch(
    kind: str, theirs: Any, settings: list[dict[str, Any]], dtype: torch.dtype
) -> None:
    optimizer = OPTIMIZERS[kind]
    fields = optimizer.config.model_fields
    ours = [{key: s[key] for key in s if key in fields} for s in settings]
    configs = [
        optimizer.config.model_validate({"kind": kind, **s, **OURS_ALONE.get(kind, {})})
        for s in ours
    ]
    hp = stacked_hyperparameters(configs)
    start = {
        "w": torch.randn(len(settings), 4, 3, dtype=dtype),
        "b": torch.randn(len(settings), 4, dtype=dtype),
    }
    alone = [
        {n: torch.nn.Parameter(p[k].clone()) for n, p in start.items()}
        for k in range(len(settings))
    ]
    torchs = [theirs(p.values(), **s) for p, s in zip(alone, settings, strict=True)]
    params, slots = start, optimizer.slots(start, configs[0])
    for step in range(1, 13):
        grads = {n: torch.randn_like(p) * 10.0 ** (step % 5 - 3) for n, p in params.items()}
        counter = torch.tensor(step)
        params, slots = optimizer.update(params, grads, slots, counter, hp, configs[0])
        for k, (model, torch_optimizer) in enumerate(zip(alone, torchs, strict=True)):
            for name, param in model.items():
                param.grad = grads[name][k].clone()
            torch_optimizer.step()
            for name, param in model.items():
                torch.testing.assert_close(params[name][k], param.detach())
                for slot in slots:
                    theirs_now = torch_optimizer.state[param].get(slot)
                    if theirs_now is not None:
                        torch.testing.assert_close(slots[slot][name][k], theirs_now)


@pytest.mark.parametrize("kind", list(OPTIMIZERS))
def test_the_momentum_is_one_of_the_slots(kind: str) -> None:
    config = OPTIMIZERS[kind].config.model_validate({"kind": kind, "lr": 0.1})
    slots = OPTIMIZERS[kind].slots({"w": torch.ones(1, 2)}, config)
    assert OPTIMIZERS[kind].momentum(config) in (*slots, None)


def test_first_step_of_adam_moves_by_the_learning_rate() -> None:
    """VOL-O9: with eps -> 0 the first step is -lr * sign(g)."""
    adam = OPTIMIZERS["adam"]
    config = adam.config.model_validate({"kind": "adam", "lr": 0.1})
    lr = torch.tensor([0.1, 0.01], dtype=torch.float64)
    params, grads = {"w": torch.zeros(2, 5)}, {"w": torch.randn(2, 5)}
    slots = adam.slots(params, config)
    hp = {"lr": lr, "eps": torch.zeros(2, dtype=torch.float64)}
    moved, _ = adam.update(params, grads, slots, torch.tensor(1), hp, config)
    torch.testing.assert_close(moved["w"], -lr[:, None].float() * grads["w"].sign())


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("sgd", {"lr": 0.0}),
        ("sgd", {"lr": 0.1, "momentum": 1.0}),
        ("adam", {"betas": [0.9, 1.0]}),
        ("laprop", {"betas": [1.0, 0.9]}),
        ("laprop", {"eps": 0.0}),
        ("rmsprop", {"alpha": 1.0}),
        ("entropy_sgd", {"inner_steps": -1}),
        ("accelerated_sgd", {"kappa": 0.5, "xi": 0.1}),
    ],
)
def test_values_out_of_range_are_refused(kind: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"greater than|less than"):
        OPTIMIZERS[kind].config.model_validate({"kind": kind, **wrong})
