"""Volumized weights made binary or ternary, against the nearest-point rule by brute force."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from regsearch.own_loop import attach
from regsearch.regularizers import REGULARIZERS
from regsearch.regularizers.volumization import Volumization, plan, quantizer

Kind = Literal["binary", "ternary"]
KINDS: list[Kind] = ["binary", "ternary"]


def quantized(
    kind: Kind, params: dict[str, Tensor], v: list[float], **more: Any
) -> dict[str, Tensor]:
    layer = nn.Linear(4, 3)
    config = Volumization(v=1.0, alpha=0.5, volume="absolute", quantize=kind, **more)
    found = quantizer(config)
    assert found is not None
    hp = {"v": torch.tensor(v), "alpha": torch.full((len(v),), 0.5)}
    return found.weights(params, hp, plan(layer, params, config))


@pytest.fixture
def params() -> dict[str, Tensor]:
    return {"weight": torch.randn(3, 3, 4), "bias": torch.randn(3, 3)}


@pytest.mark.parametrize("kind", KINDS)
def test_each_weight_goes_to_its_nearest_level(kind: Kind, params: dict[str, Tensor]) -> None:
    volumes = [0.1, 0.7, 2.0]
    found = quantized(kind, params, volumes)["weight"]
    for run, volume in enumerate(volumes):
        levels = [-volume, volume] if kind == "binary" else [-volume, 0.0, volume]
        flat = params["weight"][run].flatten().tolist()
        nearest = [min(levels, key=lambda level, w=w: abs(level - w)) for w in flat]  # type: ignore[misc]
        assert torch.equal(found[run].flatten(), torch.tensor(nearest))
        assert len(set(found[run].flatten().tolist())) <= len(levels)


@pytest.mark.parametrize("kind", KINDS)
def test_twice_is_once(kind: Kind, params: dict[str, Tensor]) -> None:
    once = quantized(kind, params, [0.1, 0.7, 2.0])
    assert torch.equal(quantized(kind, once, [0.1, 0.7, 2.0])["weight"], once["weight"])


def test_ties() -> None:
    """Zeros go up in binary; in ternary, halves go to zero."""
    volume = 0.3
    half = float(torch.tensor(volume) / 2)
    above = float(torch.nextafter(torch.tensor(half), torch.tensor(1.0)))
    weight = torch.tensor([[[0.0, -0.0, half, -half, above, -above]]])
    wall = float(torch.tensor(volume))
    two = quantized("binary", {"weight": weight}, [volume])["weight"]
    three = quantized("ternary", {"weight": weight}, [volume])["weight"]
    assert two.flatten().tolist() == [wall, wall, wall, -wall, wall, -wall]
    assert three.flatten().tolist() == [0, 0, 0, 0, wall, -wall]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_confined_stays(kind: Kind, params: dict[str, Tensor]) -> None:
    assert torch.equal(quantized(kind, params, [1.0] * 3)["bias"], params["bias"])
    spared = quantized(kind, params, [1.0] * 3, exclude=["weight"])
    assert torch.equal(spared["weight"], params["weight"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_diverged_run_stays_so_and_leaves_its_neighbours_alone(
    kind: Kind, params: dict[str, Tensor]
) -> None:
    params["weight"][1] = torch.tensor([math.nan, math.inf, -math.inf, math.nan])
    found = quantized(kind, params, [1.0] * 3)["weight"]
    assert not found[1].isfinite().any()
    assert found[::2].isfinite().all()


def test_a_box_without_width_holds_only_zero() -> None:
    """``init_max`` of a bias that starts at zero."""
    layer = nn.Linear(2, 2)
    start = {"weight": torch.ones(1, 2, 2), "bias": torch.zeros(1, 2)}
    config = Volumization(v=0.5, alpha=0.0, volume="init_max", scope="all", quantize="binary")
    found = quantizer(config)
    assert found is not None
    now = {"weight": torch.ones(1, 2, 2), "bias": torch.tensor([[0.2, -0.2]])}
    hp = {"v": torch.tensor([0.5]), "alpha": torch.tensor([0.0])}
    new = found.weights(now, hp, plan(layer, start, config))
    assert (new["weight"] == 0.5).all()
    assert (new["bias"] == 0).all()


def test_how_often_is_told() -> None:
    default = quantizer(Volumization(v=1.0, alpha=0.0, quantize="binary"))
    fifth = quantizer(Volumization(v=1.0, alpha=0.0, quantize="ternary", quantize_every=5))
    assert [found.every for found in (default, fifth) if found] == [2, 5]
    assert quantizer(Volumization(v=1.0, alpha=0.0)) is None
    assert REGULARIZERS["volumization"].quantizer is quantizer


@pytest.mark.parametrize(("v", "alpha"), [(0.0, 0.5), (0.5, 1.0)])
def test_no_box_to_round_to_is_refused(v: float, alpha: float) -> None:
    Volumization(v=v, alpha=alpha)
    with pytest.raises(ValueError, match="needs a box to round to"):
        Volumization(v=v, alpha=alpha, quantize="ternary")


def test_in_a_plain_loop() -> None:
    model = nn.Linear(4, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    volumized = attach(optimizer, model, "volumization", v=0.5, alpha=0.0, quantize="ternary")
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
    bias = model.bias.detach().clone()
    volumized.quantize()
    wall = 0.5 * math.sqrt(6 / 4)
    for value in model.weight.detach().flatten().tolist():
        assert min(abs(value - level) for level in (-wall, 0, wall)) < 1e-6
    assert torch.equal(model.bias.detach(), bias)
