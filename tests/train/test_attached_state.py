"""Attached methods go on where they were, and compute in enough digits."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn

from regsearch.errors import RegsearchError
from regsearch.own_loop import attach

X = torch.linspace(-2, 2, 32).sin().reshape(8, 4)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(X).square().mean().backward()
        optimizer.step()


def same_bits(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


RESUMED: list[dict[str, Any]] = [
    {"kind": "random_decay", "decay": 0.1},
    {"kind": "volumization", "v": 0.8, "alpha": 0.0, "volume": "init_max"},
    {"kind": "unit_pruning", "below": 0.3, "after_steps": 7},
]


@pytest.mark.parametrize("method", RESUMED, ids=lambda method: method["kind"])
def test_a_resumed_loop_goes_on_bit_for_bit(method: dict[str, Any]) -> None:
    through = net()
    optimizer = torch.optim.Adam(through.parameters(), lr=0.05)
    torch.manual_seed(3)
    handle = attach(optimizer, through, **method)
    train(through, optimizer, 5)
    file = io.BytesIO()
    parts = {"model": through, "optimizer": optimizer, "method": handle}
    torch.save({name: part.state_dict() for name, part in parts.items()}, file)
    train(through, optimizer, 5)

    file.seek(0)
    saved, resumed = torch.load(file, weights_only=True), net()
    resumed.load_state_dict(saved["model"])
    optimizer = torch.optim.Adam(resumed.parameters(), lr=0.05)
    optimizer.load_state_dict(saved["optimizer"])
    torch.manual_seed(4)
    again, forgetful = copy.deepcopy(resumed), copy.deepcopy(optimizer.state_dict())
    attach(optimizer, resumed, **method).load_state_dict(saved["method"])
    train(resumed, optimizer, 5)
    assert same_bits(resumed, through)

    optimizer = torch.optim.Adam(again.parameters(), lr=0.05)
    optimizer.load_state_dict(forgetful)
    attach(optimizer, again, **method)
    train(again, optimizer, 5)
    assert not same_bits(again, through), "the state makes no difference: a test of nothing"


def test_the_state_of_something_else_is_refused() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    boxed = attach(optimizer, model, "volumization", v=1.0, alpha=0.0)
    lasso = attach(optimizer, model, "lasso", strength=0.1)
    with pytest.raises(RegsearchError, match="volumization: cannot go on from the state of lasso"):
        boxed.load_state_dict(lasso.state_dict())
    wider = attach(
        optimizer, model, "volumization", v=1.0, alpha=0.0, volume="init_max", scope="all"
    )
    with pytest.raises(RegsearchError, match=r"state of volumization with .*0\.bias.*its settings"):
        boxed.load_state_dict(wider.state_dict())
    with pytest.raises(RegsearchError, match="cannot go on from the state of None"):
        boxed.load_state_dict(optimizer.state_dict())


def test_the_optimizer_keeps_no_empty_state() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, model, "lasso", strength=0.1)
    for param in model.parameters():
        param.grad = torch.zeros_like(param)
    plain = torch.optim.SGD(net().parameters(), lr=0.1)
    optimizer.step()
    assert optimizer.state_dict()["state"] == plain.state_dict()["state"]


MIXED: list[dict[str, Any]] = [
    {"kind": "volumization", "v": 0.2, "alpha": 0.5},
    {"kind": "weight_decay", "decay": 0.3, "coupled": False},
    {"kind": "lasso", "strength": 0.1},
    {"kind": "shifted_decay", "decay": 0.1, "shift": 0.1},
    {"kind": "adadecay", "decay": 0.3, "layer": "model"},
    {"kind": "pathprox", "strength": 0.5},
    {"kind": "unit_pruning", "below": 0.3, "after_steps": 0},
]


@pytest.mark.parametrize("method", MIXED, ids=lambda method: method["kind"])
def test_layers_of_different_precision(method: dict[str, Any]) -> None:
    """As if all were float64, but for what float32 cannot tell."""
    mixed, double = net(), net()
    mixed[2].double()
    double.double()
    for model in (mixed, double):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
        attach(optimizer, model, **method)
        for step in range(3):
            for param in model.parameters():
                count = torch.arange(param.numel(), dtype=torch.float64)
                param.grad = (count + step).cos().view_as(param).to(param)
            optimizer.step()
    assert mixed[0].weight.dtype == torch.float32
    for a, b in zip(mixed.parameters(), double.parameters(), strict=True):
        torch.testing.assert_close(a.detach().double(), b.detach(), rtol=1e-5, atol=1e-6)


def test_coarse_weights_are_rounded_once() -> None:
    """In bfloat16 itself alpha 0.7 would be 0.699, and each operation would round again."""
    layer = nn.Linear(64, 64, bias=False).bfloat16()
    nn.init.normal_(layer.weight)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    attach(optimizer, layer, "volumization", v=0.1, alpha=0.7, volume="absolute")
    exact = layer.weight.detach().double()
    exact += 0.3 * (exact.clamp(-0.1, 0.1) - exact)
    layer.weight.grad = torch.zeros_like(layer.weight)
    optimizer.step()
    assert torch.equal(layer.weight.detach(), exact.bfloat16())


def test_steps_are_counted_exactly_for_coarse_weights() -> None:
    model = net().bfloat16()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    handle = attach(optimizer, model, "unit_pruning", below=1e9, after_steps=1001)
    handle.load_state_dict(handle.state_dict() | {"step": 1000})
    for alive in (True, False):  # steps 1001 and 1002; in bfloat16 1001 is 1000
        for param in model.parameters():
            param.grad = torch.zeros_like(param)
        optimizer.step()
        assert bool(model[0].weight.any()) == alive
