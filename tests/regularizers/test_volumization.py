"""Volumization against the closed forms of its paper (oracles VOL-O1 to O8)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regsearch.regularizers import REGULARIZERS
from regsearch.regularizers.volumization import Volumization, confine, plan


def confined(w: Tensor, m: Tensor, volume: float, alpha: float) -> tuple[Tensor, Tensor]:
    new, momentum = confine(w, m, torch.full(w.shape[:1], volume), torch.full(w.shape[:1], alpha))
    assert momentum is not None
    return new, momentum


@pytest.fixture
def w() -> Tensor:
    return torch.randn(3, 40) * 2


@pytest.fixture
def m() -> Tensor:
    return torch.randn(3, 40)


@pytest.mark.parametrize(("volume", "alpha"), [(0.3, 1.0), (0.0, 1.0), (math.inf, -0.5)])
def test_o1_no_constraint_changes_no_bit(w: Tensor, m: Tensor, volume: float, alpha: float) -> None:
    new, momentum = confined(w, m, volume, alpha)
    assert torch.equal(new, w)
    assert torch.equal(momentum, m)


def test_o2_volume_zero_multiplies_weight_and_momentum(w: Tensor, m: Tensor) -> None:
    w[0, 0] = 0
    new, momentum = confined(w, m, 0.0, 0.9)
    torch.testing.assert_close(new, 0.9 * w)
    torch.testing.assert_close(momentum[:, 1:], 0.9 * m[:, 1:])
    assert momentum[0, 0] == m[0, 0]  # a zero weight is not outside


def test_o3_alpha_zero_clips_and_stops(w: Tensor, m: Tensor) -> None:
    new, momentum = confined(w, m, 0.7, 0.0)
    assert torch.equal(new, w.clamp(-0.7, 0.7))
    assert torch.equal(momentum, torch.where(w.abs() > 0.7, 0.0, m))


def test_o4_alpha_minus_one_reflects_once(w: Tensor, m: Tensor) -> None:
    new, momentum = confined(w, m, 0.7, -1.0)
    outside = w.abs() > 0.7
    torch.testing.assert_close(new, torch.where(outside, w.sign() * (1.4 - w.abs()), w))
    assert torch.equal(momentum, torch.where(outside, -m, m))
    assert (new.abs() > 0.7).any()  # more than 2V beyond the wall: through the opposite one


@pytest.mark.parametrize("alpha", [-0.6, 0.0, 0.3, 0.99])
def test_o5_and_o6_the_overshoot_shrinks_by_alpha(w: Tensor, m: Tensor, alpha: float) -> None:
    volume = 0.8
    new, _ = confined(w, m, volume, alpha)
    excess = w.abs() - volume
    near = (excess > 0) & (volume + alpha * excess >= 0)
    torch.testing.assert_close((new.abs() - volume).abs()[near], abs(alpha) * excess[near])
    if alpha <= 0:
        assert (new.abs()[excess <= 2 * volume] <= volume * (1 + 1e-6)).all()


def test_a_weight_on_the_wall_is_inside() -> None:
    wall, m = torch.tensor([[0.5, -0.5]]), torch.ones(1, 2)
    new, momentum = confined(wall, m, 0.5, -1.0)
    assert torch.equal(new, wall)
    assert torch.equal(momentum, m)


@pytest.mark.parametrize(
    ("volume", "alpha", "lr", "mu", "scale"),
    [
        (0.5, 0.9, 0.1, 0.0, True),
        (0.5, 0.9, 0.1, 0.9, True),
        (0.5, 0.9, 0.1, 0.9, False),
        (0.0, 0.99, 0.05, 0.9, True),
        (0.5, 0.0, 0.1, 0.9, True),
        (0.5, -0.5, 0.1, 0.0, True),
    ],
)
def test_o8_fixed_point_of_volumized_sgd(
    volume: float, alpha: float, lr: float, mu: float, scale: bool
) -> None:
    """Minimising (w - u)^2 / 2 ends at sgn(u) (V + k (|u| - V)), k = a e / (1 - a + a e)."""
    u = torch.linspace(-2, 2, 9, dtype=torch.float64)[None]
    w, m = torch.zeros_like(u), torch.zeros_like(u)
    config = Volumization(v=volume, alpha=alpha, volume="absolute", scale_momentum=scale)
    plans = plan(nn.Linear(9, 1), {"weight": w[:, None]}, config)
    hp = {
        "v": torch.tensor([volume], dtype=torch.float64),
        "alpha": torch.tensor([alpha], dtype=torch.float64),
    }
    for _ in range(4000):
        m = mu * m + (w - u)
        w = w - lr * m
        params, momentum = REGULARIZERS["volumization"].after_step(
            {"weight": w[:, None]}, {"weight": m[:, None]}, hp, plans
        )
        w, m = params["weight"][:, 0], momentum["weight"][:, 0]
    e = lr / (1 - mu * alpha) if scale else lr / (1 - mu)
    k = alpha * e / (1 - alpha + alpha * e)
    expected = torch.where(u.abs() > volume, u.sign() * (volume + k * (u.abs() - volume)), u)
    torch.testing.assert_close(w, expected, atol=1e-8, rtol=0)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.conv = nn.Conv2d(6, 8, 3, groups=2)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(20, 5)


def units(volume: str, scope: str) -> dict[str, Any]:
    net = Net()
    params = {name: param.detach()[None] for name, param in net.named_parameters()}
    config = Volumization(v=1.0, alpha=0.0, volume=volume, scope=scope)  # type: ignore[arg-type]
    return {name: float(unit) for name, unit in plan(net, params, config)["unit"].items()}


def test_weights_are_matrices_and_kernels_only() -> None:
    assert units("fan_in", "weights") == pytest.approx(
        {"conv.weight": math.sqrt(6 / 27), "head.weight": math.sqrt(6 / 20)}
    )


def test_fan_out_counts_what_a_unit_feeds() -> None:
    assert units("fan_out", "weights") == pytest.approx(
        {"conv.weight": math.sqrt(6 / 72), "head.weight": math.sqrt(6 / 5)}
    )


def test_a_bias_has_the_volume_of_its_weight_and_norm_layers_have_no_fan() -> None:
    found = units("fan_in", "all")
    assert found["conv.bias"] == found["conv.weight"]
    assert found["head.bias"] == found["head.weight"]
    assert not [name for name in found if name.startswith("norm")]


def test_released_rule_takes_the_signed_maximum_and_never_less_than_zero() -> None:
    net = nn.Linear(3, 2)
    params = {
        "weight": torch.tensor([[[0.1, -0.9, 0.2]] * 2]),
        "bias": torch.tensor([[-1.0, -2.0]]),
    }
    config = Volumization(v=1.0, alpha=0.0, volume="init_max", scope="all")
    found = plan(net, params, config)["unit"]
    assert float(found["weight"]) == pytest.approx(0.2)
    assert float(found["bias"]) == 0


def test_alpha_and_v_out_of_range_are_refused() -> None:
    for wrong in ({"v": -0.1, "alpha": 0.0}, {"v": 0.1, "alpha": 1.01}):
        with pytest.raises(ValueError, match=r"greater than|less than"):
            Volumization(**wrong)
