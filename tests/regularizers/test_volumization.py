"""Volumization against the closed forms of its paper (oracles VOL-O1 to O8)."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from regsearch.errors import SpecError
from regsearch.regularizers.volumization import Volume, Volumization, after_step, confine, plan


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


def test_o7_volume_zero_and_alpha_minus_one_flip_every_sign(w: Tensor, m: Tensor) -> None:
    new, momentum = confined(w, m, 0.0, -1.0)
    assert torch.equal(new, -w)
    assert torch.equal(momentum, -m)


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
    assert near.any()
    torch.testing.assert_close((new.abs() - volume).abs()[near], abs(alpha) * excess[near])
    if alpha <= 0:
        assert (new.abs()[excess <= 2 * volume] <= volume * (1 + 1e-6)).all()


def test_a_weight_on_the_wall_is_inside() -> None:
    wall, m = torch.tensor([[0.5, -0.5]]), torch.ones(1, 2)
    new, momentum = confined(wall, m, 0.5, -1.0)
    assert torch.equal(new, wall)
    assert torch.equal(momentum, m)


@pytest.mark.parametrize("alpha", [-1.0, 0.0, 0.5, 1.0])
def test_a_diverged_weight_stays_so(alpha: float) -> None:
    wild = torch.tensor([[math.nan, math.inf, -math.inf]])
    new, _ = confined(wild, torch.zeros(1, 3), 0.5, alpha)
    assert not new.isfinite().any()


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
    for _ in range(1000):
        m = mu * m + (w - u)
        w = w - lr * m
        params, momentum = after_step({"weight": w[:, None]}, {"weight": m[:, None]}, hp, plans)
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
        self.plane = nn.LayerNorm([8, 3])
        self.up = nn.ConvTranspose2d(6, 10, 2, groups=2)
        self.head = nn.Linear(20, 5)


def units(
    volume: Volume, scope: Literal["weights", "all"] = "weights", **more: Any
) -> dict[str, float]:
    net = Net()
    params = {name: param.detach()[None] for name, param in net.named_parameters()}
    config = Volumization(v=1.0, alpha=0.0, volume=volume, scope=scope, **more)
    return {name: float(unit) for name, unit in plan(net, params, config).unit.items()}


@pytest.mark.parametrize(
    ("volume", "conv", "up", "head"),
    [
        ("fan_in", 3 * 9, 3 * 4, 20),  # three of six channels in each group
        ("fan_out", 4 * 9, 5 * 4, 5),  # one input channel feeds one group
    ],
)
def test_the_fan_counts_the_weights_of_one_output_or_one_input(
    volume: Volume, conv: int, up: int, head: int
) -> None:
    fans = {"conv.weight": conv, "up.weight": up, "head.weight": head}
    expected = {name: math.sqrt(6 / fan) for name, fan in fans.items()}
    assert units(volume) == pytest.approx(expected)


def test_fan_in_is_the_bound_of_the_he_uniform_initialisation() -> None:
    layer = nn.Linear(24, 4000)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    params = {"weight": layer.weight.detach()[None]}
    unit = float(plan(layer, params, Volumization(v=1.0, alpha=0.0)).unit["weight"])
    assert unit == pytest.approx(float(layer.weight.detach().abs().max()), rel=1e-3)


def test_at_the_volume_lipschitz_a_constant_layer_has_norm_one() -> None:
    layer = nn.Linear(7, 3)
    params = {"weight": layer.weight.detach()[None]}
    unit = plan(layer, params, Volumization(v=1.0, alpha=0.0, volume="lipschitz")).unit["weight"]
    assert float(torch.linalg.matrix_norm(torch.full((3, 7), float(unit)), 2)) == pytest.approx(1)


def test_repeated_padding_has_no_volume_lipschitz() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1, padding_mode="replicate")
    params = {name: param.detach()[None] for name, param in layer.named_parameters()}
    with pytest.raises(SpecError, match="does not bound weight, whose layer pads by 'replicate'"):
        plan(layer, params, Volumization(v=1.0, alpha=0.0, volume="lipschitz"))
    assert plan(layer, params, Volumization(v=1.0, alpha=0.0)).unit.keys() == {"weight"}


def test_absolute_is_one_everywhere() -> None:
    assert set(units("absolute", "all").values()) == {1.0}
    assert units("absolute", "all").keys() == dict(Net().named_parameters()).keys()


@pytest.mark.parametrize("volume", ["fan_in", "fan_out", "lipschitz"])
def test_a_bias_has_the_volume_of_its_weight_and_norm_layers_have_none(volume: Volume) -> None:
    found = units(volume, "all")
    for layer in ("conv", "up", "head"):
        assert found[f"{layer}.bias"] == found[f"{layer}.weight"]
    assert not [name for name in found if name.startswith(("norm", "plane"))]


def test_raw_weights_of_another_method_are_refused() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(6, 2))
    params = {name: param.detach()[None] for name, param in layer.named_parameters()}
    with pytest.raises(SpecError, match="weight is re-parametrised"):
        plan(layer, params, Volumization(v=1.0, alpha=0.0))


def test_excluded_parameters_are_left_alone() -> None:
    assert units("fan_in", exclude=["head.*", "up.weight"]).keys() == {"conv.weight"}


def test_released_rule_takes_the_signed_maximum_and_never_less_than_zero() -> None:
    net = nn.Linear(3, 2)
    params = {
        "weight": torch.tensor([[[0.1, -0.9, 0.2]] * 2]),
        "bias": torch.tensor([[-1.0, -2.0]]),
    }
    config = Volumization(v=1.0, alpha=0.0, volume="init_max", scope="all")
    found = plan(net, params, config).unit
    assert float(found["weight"]) == pytest.approx(0.2)
    assert float(found["bias"]) == 0


def test_released_rule_is_smaller_than_the_papers_by_the_root_of_six() -> None:
    """With torch's default initialisation, uniform in 1 / sqrt(fan_in)."""
    layer = nn.Linear(10, 5000)
    params = {"weight": layer.weight.detach()[None]}
    theirs, papers = (
        float(plan(layer, params, Volumization(v=1.0, alpha=0.0, volume=unit)).unit["weight"])
        for unit in ("init_max", "fan_in")
    )
    assert papers / theirs == pytest.approx(math.sqrt(6), rel=1e-3)


def test_released_rule_and_scope_pull_batch_norm_scales_to_v_and_shifts_by_alpha() -> None:
    norm = nn.BatchNorm1d(3)
    params = {"weight": torch.ones(2, 3), "bias": torch.zeros(2, 3)}  # two runs
    config = Volumization(v=0.25, alpha=0.5, volume="init_max", scope="all")
    now = {"weight": torch.full((2, 3), 1.25), "bias": torch.full((2, 3), 0.4)}
    hp = {"v": torch.tensor([0.25, 0.5]), "alpha": torch.tensor([0.5, 0.0])}
    new, _ = after_step(now, {}, hp, plan(norm, params, config))
    torch.testing.assert_close(new["weight"][:, 0], torch.tensor([0.75, 0.5]))
    torch.testing.assert_close(new["bias"][:, 0], torch.tensor([0.2, 0.0]))


def test_what_is_planned_for_a_pack_is_planned_for_each_run() -> None:
    net = Net()
    params = {n: torch.randn(3, *p.shape) for n, p in net.named_parameters()}
    config = Volumization(v=1.0, alpha=0.0, volume="init_max", scope="all")
    together = plan(net, params, config).unit
    for k in range(3):
        alone = plan(net, {name: param[k : k + 1] for name, param in params.items()}, config).unit
        for name, unit in alone.items():
            assert torch.equal(together[name][k : k + 1], unit)


def test_alpha_and_v_out_of_range_are_refused() -> None:
    for wrong in ({"v": -0.1, "alpha": 0.0}, {"v": 0.1, "alpha": 1.01}):
        with pytest.raises(ValueError, match=r"greater than|less than"):
            Volumization(**wrong)  # type: ignore[arg-type]


def test_an_infinite_box_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match="write alpha: 1"):
        Volumization(v=math.inf, alpha=0.0)
