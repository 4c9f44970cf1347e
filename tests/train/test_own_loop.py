from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import regsearch
from regsearch.errors import RegsearchError, SpecError, UnknownName
from regsearch.own_loop import attach, constrain, fold
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining

OPTIMIZERS: list[Callable[..., torch.optim.Optimizer]] = [
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.RMSprop,
    lambda params, lr: torch.optim.SGD(params, lr, momentum=0.9),
    lambda params, lr: torch.optim.SGD(params, lr),
    lambda params, lr: torch.optim.Adam(params, lr, fused=True),
]


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_weights_stay_in_the_box_on_any_torch_optimizer(
    make: Callable[..., torch.optim.Optimizer],
) -> None:
    model = nn.Linear(4, 3)
    optimizer = make(model.parameters(), lr=0.3)
    wall = 0.1 * (6 / 4) ** 0.5
    handle = attach(optimizer, model, "volumization", v=0.1, alpha=0.0)
    for _ in range(5):
        step(model, optimizer)
        assert float(model.weight.detach().abs().max()) <= wall * (1 + 1e-6)
    handle.remove()
    before = model.weight.detach().clone()
    step(model, optimizer)
    assert float((model.weight.detach() - before).abs().max()) > 1e-4


@pytest.mark.parametrize("slot", ["momentum_buffer", "exp_avg"])
def test_momentum_of_confined_weights_is_scaled(slot: str) -> None:
    torch.manual_seed(0)
    models = [nn.Linear(4, 3, bias=False) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    make = torch.optim.Adam if slot == "exp_avg" else OPTIMIZERS[3]
    free, held = (make(model.parameters(), lr=0.3) for model in models)
    attach(held, models[1], "volumization", v=0.2, alpha=-0.5)
    for model, optimizer in zip(models, (free, held), strict=True):
        torch.manual_seed(1)
        step(model, optimizer)
    outside = models[0].weight.detach().abs() > 0.2 * (6 / 4) ** 0.5
    assert 0 < int(outside.sum()) < outside.numel()
    before, after = free.state[models[0].weight][slot], held.state[models[1].weight][slot]
    torch.testing.assert_close(after, torch.where(outside, -0.5 * before, before))


def test_learning_rates_are_those_of_the_group_now() -> None:
    """Decoupled decay with zero gradients: w <- (1 - lr * decay) w, per group and per step."""
    model = nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 2)])
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[1].parameters()}]
    optimizer = torch.optim.SGD(groups, lr=0.5)
    attach(optimizer, model, "weight_decay", decay=1.0, coupled=False)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    start = [layer.weight.detach().clone() for layer in model]  # type: ignore[union-attr]
    for _ in range(2):
        for param in model.parameters():
            param.grad = torch.zeros_like(param)
        optimizer.step()
        scheduler.step()
    for layer, before, lr in zip(model, start, (0.1, 0.5), strict=True):
        expected = (1 - lr) * (1 - lr / 2) * before
        torch.testing.assert_close(layer.weight.detach(), expected)  # type: ignore[union-attr]


def test_parameters_without_a_gradient_are_left_alone() -> None:
    model = nn.ModuleList([nn.Linear(4, 3), nn.Linear(4, 3)])
    model[1].weight.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, model, "volumization", v=0.0, alpha=0.5, scope="all")
    before = {name: param.detach().clone() for name, param in model.named_parameters()}
    step(model[0], optimizer)
    for name, param in model.named_parameters():
        assert torch.equal(param.detach(), before[name]) == name.startswith("1.")


METHODS: list[dict[str, Any]] = [
    {"kind": "volumization", "v": 0.2, "alpha": 0.5},
    {"kind": "weight_decay", "decay": 0.1, "coupled": False},
    {"kind": "lasso", "strength": 0.01},
    {"kind": "adadecay", "decay": 0.1},
    {"kind": "random_decay", "decay": 0.1},
    {"kind": "pathprox", "strength": 0.1},
    {"kind": "unit_pruning", "below": 0.4, "after_steps": 1},
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method["kind"])
def test_attached_equals_the_pack(make_task: Any, method: dict[str, Any]) -> None:
    """The two doors lead to the same training: one epoch, then equal weights."""
    task = make_task(method, {"epochs": 1}, seed=5)
    pack = PackTraining([task], Engine())
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    model.load_state_dict({name: param[0] for name, param in pack.state.params.items()})
    optimizer = torch.optim.Adam(
        [{"params": layer.parameters()} for layer in (model[1], model[3])], lr=0.01
    )
    torch.manual_seed(5)  # what random methods draw from
    attach(optimizer, model, **method)
    for x, y in pack._batches():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y[0]).backward()
        optimizer.step()
    pack.run_epoch()
    for name, param in model.named_parameters():
        torch.testing.assert_close(pack.state.params[name][0], param.detach(), rtol=1e-4, atol=1e-5)


def test_a_constrained_model_trains_like_the_pack_and_can_be_folded(make_task: Any) -> None:
    task = make_task({"kind": "enc", "alpha": 2.0}, {"optimizer": {"kind": "sgd", "lr": 0.1}})
    pack = PackTraining([task], Engine())
    layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    model = constrain(layers, "enc", alpha=2.0)
    state = {name: tensor[0] for name, tensor in (pack.state.params | pack.state.buffers).items()}
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in pack._batches():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y[0]).backward()
        optimizer.step()
    pack.run_epoch()
    for name, param in model.named_parameters():
        torch.testing.assert_close(pack.state.params[name][0], param.detach(), rtol=1e-4, atol=1e-5)
    outputs = model(x)
    torch.testing.assert_close(fold(model)(x), outputs)
    assert set(dict(model.named_parameters())) == {"1.weight", "1.bias", "3.weight", "3.bias"}
    assert float(model[1].weight.detach().square().sum()) == pytest.approx(2, rel=1e-5)


def test_weights_are_quantized_when_the_loop_says_so() -> None:
    model = nn.Linear(4, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    handle = attach(optimizer, model, "volumization", v=0.1, alpha=0.5, quantize="ternary")
    step(model, optimizer)
    optimizer.zero_grad()
    bias = model.bias.detach().clone()
    handle.quantize()
    assert len(model.weight.unique()) <= 3
    assert torch.equal(model.bias, bias)
    plain = attach(optimizer, model, "weight_decay", decay=0.1)
    with pytest.raises(RegsearchError, match="weight_decay does not quantize"):
        plain.quantize()


def test_a_step_without_gradients_is_refused() -> None:
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, model, "adadecay", decay=0.1)
    with pytest.raises(RegsearchError, match=r"adadecay: no parameter has a gradient.*backward"):
        optimizer.step()


def test_what_rebuilds_a_model_is_not_attached() -> None:
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(SpecError, match=r"enc re-parametrises .* regsearch\.constrain"):
        attach(optimizer, model, "enc")


def test_mistakes_are_named() -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UnknownName, match="Did you mean 'volumization'"):
        attach(optimizer, model, "volumisation", v=1.0, alpha=0.0)
    with pytest.raises(SpecError, match=r"volumization\.alpha: needs 1 or less, got 3"):
        attach(optimizer, model, "volumization", v=1.0, alpha=3.0)
    with pytest.raises(SpecError, match=r"volumization\.aplha: unknown key\. Did you mean 'alpha'"):
        attach(optimizer, model, "volumization", v=1.0, alpha=0.0, aplha=1.0)


def test_constrain_leaves_a_model_alone_if_the_method_does() -> None:
    model = nn.Linear(2, 2)
    assert constrain(model, "volumization", v=1.0, alpha=0.0) is model


def test_the_package_gives_the_functions_again_and_again() -> None:
    for _ in range(2):  # importing a submodule of the same name would put it in their place
        assert regsearch.constrain is constrain
        assert regsearch.attach is attach


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_weights_of_any_precision_are_confined(dtype: torch.dtype) -> None:
    model = nn.Linear(4, 3).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, model, "volumization", v=0.25, alpha=0.0, volume="absolute")
    nn.init.constant_(model.weight, 9.0)
    model(torch.randn(8, 4, dtype=dtype)).square().mean().backward()
    optimizer.step()
    assert model.weight.dtype == dtype
    assert float(model.weight.detach().abs().max()) == 0.25


def test_a_bias_in_a_group_of_its_own_has_the_volume_of_its_weight() -> None:
    model = nn.Linear(6, 3)
    groups = [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    attach(optimizer, model, "volumization", v=0.5, alpha=0.0, scope="all")
    nn.init.constant_(model.bias, 9.0)
    step_on(model, optimizer, torch.randn(8, 6))
    torch.testing.assert_close(model.bias.detach(), torch.full((3,), 0.5))  # 0.5 sqrt(6 / 6)


def step_on(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> None:
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()
