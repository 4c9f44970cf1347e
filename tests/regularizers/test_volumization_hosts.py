"""Volumized SGD, Adam and LaProp against the paper's recurrences, written out weight by weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from regsearch.optim import OPTIMIZERS
from regsearch.regularizers.volumization import Volumes, after_step

HOSTS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9},
    "adam": {"betas": (0.8, 0.95), "eps": 1e-8},
    "laprop": {"betas": (0.8, 0.95), "eps": 1e-15},
}


class Runs(NamedTuple):
    """Hyper-parameters of K runs."""

    lr: list[float]
    v: list[float]
    alpha: list[float]

    def only(self, k: int) -> Runs:
        return Runs(*(values[k : k + 1] for values in self))


RUNS = Runs([0.05, 0.1, 0.2, 0.1], [0.4, 0.0, 0.7, 0.5], [0.9, 0.99, -1.0, 0.0])
FREE = RUNS._replace(v=[1e30] * 4)


def volumized(
    host: str,
    w: Tensor,
    grad: Callable[[Tensor], Tensor],
    runs: Runs,
    steps: int,
    scale: bool = True,
    **settings: Any,
) -> tuple[Tensor, Tensor]:
    """Weights ``[K, ...]`` and momentum after ``steps`` steps in float64."""
    optimizer = OPTIMIZERS[host]
    config = optimizer.config.model_validate({"lr": 0.1} | HOSTS[host] | settings)
    slots = optimizer.slots({"w": w}, config)
    lr, v, alpha = (torch.tensor(values, dtype=w.dtype) for values in runs)
    reals = {name: getattr(config, name, 0.0) for name in ("momentum", "eps")}
    hp = {name: torch.full_like(lr, value) for name, value in reals.items()} | {"lr": lr}
    plan = Volumes({"w": torch.ones_like(lr)}, scale)
    params, slot = {"w": w}, str(optimizer.momentum(config))
    for step in range(1, steps + 1):
        grads = {"w": grad(params["w"])}
        params, slots = optimizer.update(params, grads, slots, torch.tensor(step), hp, config)
        params, momentum = after_step(params, slots[slot], {"v": v, "alpha": alpha}, plan)
        slots = slots | {slot: momentum}
    return params["w"], slots[slot]["w"]


def by_hand(
    host: str, w: float, target: float, lr: float, v: float, alpha: float, steps: int, scale: bool
) -> tuple[float, float]:
    """One weight of 1/2 (w - target)^2 under the recurrences of the paper, without its slips."""
    m = n = 0.0
    mu, nu = HOSTS[host].get("betas", (0.9, 0.0))
    eps = HOSTS[host].get("eps", 0.0)
    for t in range(1, steps + 1):
        g = w - target
        n = nu * n + (1 - nu) * g * g
        size = math.sqrt(n / (1 - nu**t)) + eps
        if host == "sgd":
            m = mu * m + g
            w = w - lr * m
        elif host == "adam":
            m = mu * m + (1 - mu) * g
            w = w - lr * (m / (1 - mu**t)) / size
        else:
            m = mu * m + (1 - mu) * g / size
            w = w - lr * m / (1 - mu**t)
        if abs(w) > v:
            w = math.copysign(1, w) * (v + alpha * (abs(w) - v))
            m = alpha * m if scale else m
    return w, m


@pytest.fixture
def start() -> Tensor:
    return torch.randn(4, 6, dtype=torch.float64)


TARGETS = torch.linspace(-2, 2, 6, dtype=torch.float64)


def to_targets(w: Tensor) -> Tensor:
    return w - TARGETS


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("host", HOSTS)
def test_every_weight_follows_the_recurrence(host: str, scale: bool, start: Tensor) -> None:
    w, m = volumized(host, start, to_targets, RUNS, 12, scale)
    for k, (lr, v, alpha) in enumerate(zip(*RUNS, strict=True)):
        for i, target in enumerate(TARGETS.tolist()):
            expected = by_hand(host, float(start[k, i]), target, lr, v, alpha, 12, scale)
            assert (float(w[k, i]), float(m[k, i])) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("host", HOSTS)
def test_each_run_of_a_pack_is_as_if_alone(host: str, start: Tensor) -> None:
    together, _ = volumized(host, start, to_targets, RUNS, 12)
    for k in range(4):
        alone, _ = volumized(host, start[k : k + 1], to_targets, RUNS.only(k), 12)
        assert torch.equal(together[k : k + 1], alone)


@pytest.mark.parametrize("host", HOSTS)
def test_o1_alpha_one_or_a_far_wall_is_the_host_itself(host: str, start: Tensor) -> None:
    free, _ = volumized(host, start, to_targets, FREE, 12)
    open_box, _ = volumized(host, start, to_targets, RUNS._replace(alpha=[1.0] * 4), 12)
    assert torch.equal(free, open_box)
    held, _ = volumized(host, start, to_targets, RUNS, 12)
    assert float((free - held).abs().max()) > 0.1


@pytest.mark.parametrize("lr", [1e-2, 5e-3])
def test_o2_volume_zero_has_the_strength_of_adamw(start: Tensor, lr: float) -> None:
    """alpha (w - u) against alpha w - u, where 1 - alpha = lr wd: they differ by lr wd u only."""
    wd, gradient = 0.5, start.sin()
    runs = Runs([lr] * 4, [0.0] * 4, [1 - lr * wd] * 4)
    ours, _ = volumized("adam", start, lambda w: gradient, runs, 1)
    theirs = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.AdamW([theirs], lr=lr, weight_decay=wd)
    theirs.grad = gradient
    optimizer.step()
    u = lr * gradient.sign()  # the first step of Adam
    torch.testing.assert_close(ours - theirs.detach(), lr * wd * u, rtol=1e-5, atol=0)


@pytest.mark.parametrize("host", ["adam", "laprop"])
def test_o9_the_first_step_has_the_size_of_the_rate(host: str, start: Tensor) -> None:
    w, _ = volumized(host, start, torch.sin, FREE, 1, eps=1e-15)
    rates = torch.tensor(FREE.lr, dtype=w.dtype)[:, None]
    torch.testing.assert_close(w, start - rates * start.sin().sign())


def test_o9_without_momentum_adam_and_laprop_coincide(start: Tensor) -> None:
    adam, laprop = (
        volumized(host, start, to_targets, RUNS, 12, betas=(0.0, 0.95), eps=1e-12)[0]
        for host in ("adam", "laprop")
    )
    torch.testing.assert_close(adam, laprop)


def test_o12_clipping_descent_ends_at_clipped_least_squares_for_white_inputs() -> None:
    inputs = torch.linalg.qr(torch.randn(60, 8, dtype=torch.float64)).Q * 60**0.5
    assert _distance_from_clipped_least_squares(inputs) < 1e-10


def test_o12_for_correlated_inputs_it_ends_elsewhere() -> None:
    """At a projection in the metric of the inputs, which moves the weights inside, too."""
    inputs = torch.randn(60, 8, dtype=torch.float64) @ (torch.eye(8) + 0.6).double()
    assert _distance_from_clipped_least_squares(inputs) > 0.05


def _distance_from_clipped_least_squares(x: Tensor, volume: float = 0.6) -> float:
    n, d = x.shape
    y = x @ torch.linspace(-2, 2, d, dtype=x.dtype) + 0.3 * torch.randn(n, dtype=x.dtype)
    solved = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    gram, moment = x.T @ x / n, x.T @ y / n
    rate = 0.5 / float(torch.linalg.matrix_norm(gram, 2))
    start, runs = torch.zeros(1, d, dtype=x.dtype), Runs([rate], [volume], [0.0])
    w, _ = volumized("sgd", start, lambda w: w @ gram - moment, runs, 2000, momentum=0.0)
    return float((w[0] - solved.clamp(-volume, volume)).abs().max())
