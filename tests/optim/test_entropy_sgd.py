"""Entropy-SGD against nested loops over its formulas, on a loss whose gradient is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from regsearch import draws
from regsearch.optim import OPTIMIZERS, Slots, for_torch
from regsearch.optim.entropy_sgd import EntropySGD, update
from regsearch.space import per_run_fields

RULE = OPTIMIZERS["entropy_sgd"]
RUNS: list[dict[str, Any]] = [
    {"lr": 0.7, "gamma": 0.03, "scoping": 0.1, "noise": 1e-2, "weight_decay": 5e-2},
    {"lr": 0.1, "momentum": 0.5, "inner_lr": 0.05, "averaging": 0.9},
    {"lr": 0.3, "momentum": 0.0, "gamma": 0.5, "scoping": 0.5, "noise": 0.3, "averaging": 0.0},
]
SEEDS = [11, 12, 5]


def stacked(configs: list[EntropySGD], seeds: list[int]) -> dict[str, Tensor]:
    names = per_run_fields(EntropySGD)
    reals = {
        name: torch.tensor([getattr(c, name) for c in configs], dtype=torch.float64)
        for name in names
    }
    return reals | {"seed": torch.tensor(seeds)}


def gradient(x: Tensor, step: int) -> Tensor:
    """Of the step-th mini-batch: neither linear in x nor the same twice."""
    return torch.sin(3 * x + step) + 0.5 * x


def noise(seed: int, step: int, like: Tensor) -> Tensor:
    key = torch.tensor([seed]), torch.tensor(step)
    return draws.normal(*key, "entropy_sgd/w", like[None])[0]


def by_loops(x: Tensor, c: EntropySGD, seed: int, outer: int) -> Iterator[Tensor]:
    """The method as two nested loops; yields x after each outer step."""
    v, step = torch.zeros_like(x), 0
    for t in range(outer):
        y, mu, b = x.clone(), x.clone(), torch.zeros_like(x)
        gamma = c.gamma * (1 + c.scoping) ** t
        for _ in range(c.inner_steps):
            step += 1
            d = gradient(y, step) + c.weight_decay * y
            b = c.momentum * b + d
            d = d + c.momentum * b
            shake = c.noise / math.sqrt(0.5 * c.inner_lr) * noise(seed, step, y)
            d = d + gamma * (y - x) + shake
            y = y - c.inner_lr * d
            mu = c.averaging * mu + (1 - c.averaging) * y
        d = (x - mu) + c.weight_decay * x
        v = c.momentum * v + d
        x = x - c.lr * (d + c.momentum * v)
        yield x


def walk(
    start: Tensor, configs: list[EntropySGD], seeds: list[int], steps: int
) -> Iterator[tuple[dict[str, Tensor], Slots]]:
    params = {"w": start}
    slots, hp = RULE.slots(params, configs[0]), stacked(configs, seeds)
    for step in range(1, steps + 1):
        grads = {"w": gradient(params["w"], step)}
        params, slots = update(params, grads, slots, torch.tensor(step), hp, configs[0])
        yield params, slots


@pytest.mark.parametrize("inner_steps", [1, 2, 5])
def test_every_run_follows_the_nested_loops(inner_steps: int) -> None:
    configs = [EntropySGD(**run, inner_steps=inner_steps) for run in RUNS]
    start = torch.randn(3, 6, dtype=torch.float64)
    ours = list(walk(start, configs, SEEDS, 6 * inner_steps))
    for k, config in enumerate(configs):
        for t, x in enumerate(by_loops(start[k], config, SEEDS[k], 6), start=1):
            params, slots = ours[t * inner_steps - 1]
            torch.testing.assert_close(params["w"][k], x, rtol=1e-12, atol=1e-12)
            kept = RULE.weights(params, slots, torch.tensor(t * inner_steps), config)["w"][k]
            torch.testing.assert_close(kept, x, rtol=1e-12, atol=1e-12)


def test_between_outer_steps_the_weights_to_keep_stand_still() -> None:
    config = EntropySGD(inner_steps=4)
    start = torch.randn(1, 6, dtype=torch.float64)
    for step, (params, slots) in enumerate(walk(start, [config], [0], 3), start=1):
        kept = RULE.weights(params, slots, torch.tensor(step), config)["w"]
        assert torch.equal(kept, start), step
        assert not torch.equal(params["w"], start)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_run_in_a_pack_is_the_run_alone(dtype: torch.dtype) -> None:
    configs = [EntropySGD(**run) for run in RUNS]
    start = torch.randn(3, 6, dtype=dtype)
    *_, (together, averages) = walk(start, configs, SEEDS, 13)
    for k, config in enumerate(configs):
        *_, (alone, own) = walk(start[k : k + 1], [config], [SEEDS[k]], 13)
        assert torch.equal(together["w"][k], alone["w"][0])
        for slot, tree in own.items():
            assert torch.equal(averages[slot]["w"][k], tree["w"][0]), slot


def test_what_changes_the_weights_after_an_outer_step_moves_the_outer_point() -> None:
    """Volumization and the like act on the parameters: the next inner loop begins from there."""
    config = EntropySGD(inner_steps=2)
    hp = stacked([config], [0])
    *_, (params, slots) = walk(torch.randn(1, 6, dtype=torch.float64), [config], [0], 2)
    clipped = {"w": params["w"].clamp(-0.1, 0.1)}
    assert torch.equal(RULE.weights(clipped, slots, torch.tensor(2), config)["w"], clipped["w"])
    grads = {"w": torch.ones(1, 6, dtype=torch.float64)}
    moved, slots = update(clipped, grads, slots, torch.tensor(3), hp, config)
    assert torch.equal(RULE.weights(moved, slots, torch.tensor(3), config)["w"], clipped["w"])


@pytest.mark.parametrize("stop", [2, 3])
def test_it_restarts_from_other_weights_as_if_it_had_come_to_them(stop: int) -> None:
    """In the middle of an inner loop, and at its end: nothing pulls back to where it was."""
    config, free = EntropySGD(inner_steps=3), {"gamma": 0.0, "noise": 0.0, "momentum": 0.0}
    hp = stacked([config.model_copy(update=free)], [0])
    *_, (_, slots) = walk(torch.randn(1, 6, dtype=torch.float64), [config], [0], stop)
    ones = torch.ones(1, 6, dtype=torch.float64)
    params, slots = {"w": ones}, RULE.restart({"w": ones}, slots, config)
    for step in range(stop, 7):
        assert torch.equal(RULE.weights(params, slots, torch.tensor(step), config)["w"], ones)
        params, slots = update(params, {"w": 0 * ones}, slots, torch.tensor(step + 1), hp, config)


def test_regularizers_hold_to_the_rate_of_the_inner_steps() -> None:
    hp = stacked([EntropySGD(lr=0.7, inner_lr=0.2), EntropySGD(lr=0.5, inner_lr=0.1)], [0, 1])
    assert RULE.rate(hp, EntropySGD()).tolist() == [0.2, 0.1]
    assert RULE.rate(hp, EntropySGD(inner_steps=0)).tolist() == [0.7, 0.5]


def test_in_an_own_loop_the_weights_to_keep_are_the_outer_point() -> None:
    x = torch.nn.Parameter(torch.randn(6, dtype=torch.float64))
    config = EntropySGD(inner_steps=3)
    reference = list(by_loops(x.detach().clone(), config.model_copy(update={"noise": 0.0}), 0, 2))
    optimizer = for_torch.EntropySGD([x], inner_steps=3, noise=0.0)
    for step in range(1, 8):
        x.grad = gradient(x.detach(), step)
        optimizer.step()
    inner = x.detach().clone()
    with optimizer.weights_to_keep():
        torch.testing.assert_close(x.detach(), reference[1], rtol=1e-12, atol=1e-12)
        assert not torch.equal(x, inner)
    assert torch.equal(x, inner)
