"""Registered rules as torch optimizers, in a plain training loop."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regsearch.errors import UnknownName
from regsearch.optim import OPTIMIZERS, AcceleratedSGD, EntropySGD, LaProp, TorchOptimizer
from regsearch.own_loop import attach
from regsearch.space import per_run_fields

X, Y = torch.randn(40, 5, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))


def backward(model: nn.Module, optimizer: torch.optim.Optimizer) -> Tensor:
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(X), Y)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: int = 6,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> None:
    for _ in range(steps):
        backward(model, optimizer)
        optimizer.step()
        if scheduler:
            scheduler.step()


def tensors(model: nn.Module) -> list[Tensor]:
    return [param.detach().clone() for param in model.parameters()]


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(map(torch.equal, tensors(first), tensors(second)))


@pytest.mark.parametrize("kind", list(OPTIMIZERS))
def test_in_an_own_loop_with_a_schedule_each_rule_is_its_packed_self(kind: str) -> None:
    """One run of the packed rule, fed with the same gradients and learning rates, moves alike."""
    model = net()
    config = OPTIMIZERS[kind].config.model_validate({"kind": kind, "lr": 0.05})
    optimizer = TorchOptimizer(model.parameters(), kind, seed=7, lr=0.05)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    names = [f"0.{i}" for i, _ in enumerate(model.parameters())]
    packed = {n: p.detach().clone()[None] for n, p in zip(names, model.parameters(), strict=True)}
    slots = OPTIMIZERS[kind].slots(packed, config)
    hp = {
        n: torch.tensor([getattr(config, n)], dtype=torch.float64)
        for n in per_run_fields(type(config))
    }
    hp |= {"seed": torch.tensor([7])}
    for step in range(1, 8):
        backward(model, optimizer)
        grads = {
            n: p.grad[None].clone()
            for n, p in zip(names, model.parameters(), strict=True)
            if p.grad is not None
        }
        hp["lr"] = torch.tensor([0.05 * 0.5 ** ((step - 1) // 2)], dtype=torch.float64)
        packed, slots = OPTIMIZERS[kind].update(
            packed, grads, slots, torch.tensor(step), hp, config
        )
        optimizer.step()
        scheduler.step()
        for name, param in zip(names, model.parameters(), strict=True):
            assert torch.equal(packed[name][0], param.detach())
            for slot, tree in slots.items():
                assert torch.equal(tree[name][0], optimizer.state[param][slot])


@pytest.mark.parametrize("kind", list(OPTIMIZERS))
def test_a_saved_optimizer_goes_on_with_the_same_bits(kind: str) -> None:
    whole, model = net(), net()
    train(whole, TorchOptimizer(whole.parameters(), kind, lr=0.02), 9)
    begun = TorchOptimizer(model.parameters(), kind, lr=0.02)
    train(model, begun, 4)
    file = io.BytesIO()
    torch.save(begun.state_dict(), file)
    file.seek(0)
    resumed = TorchOptimizer(model.parameters(), kind, lr=0.5)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    train(model, resumed, 5)
    assert same(whole, model)


@pytest.mark.parametrize(
    ("cls", "kind", "settings"),
    [
        (LaProp, "laprop", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-8}),
        (
            EntropySGD,
            "entropy_sgd",
            {
                "lr": 0.2,
                "inner_steps": 2,
                "inner_lr": 0.05,
                "momentum": 0.5,
                "gamma": 0.1,
                "scoping": 0.2,
                "noise": 0.3,
                "averaging": 0.5,
                "weight_decay": 0.1,
                "seed": 3,
            },
        ),
        (AcceleratedSGD, "accelerated_sgd", {"lr": 0.02, "kappa": 50.0, "xi": 3.0, "c": 0.9}),
    ],
)
def test_the_named_classes_are_the_rules_with_the_rules_defaults(
    cls: Any, kind: str, settings: dict[str, Any]
) -> None:
    defaults = OPTIMIZERS[kind].config(kind=kind).model_dump() | {"seed": 0}
    assert cls(net().parameters()).defaults == defaults
    named, general = net(), net()
    train(named, cls(named.parameters(), **settings))
    train(general, TorchOptimizer(general.parameters(), kind, **settings))
    assert same(named, general)


def test_param_groups_have_settings_of_their_own() -> None:
    model, alone = net(), net()
    assert isinstance(model, nn.Sequential)
    assert isinstance(alone, nn.Sequential)
    groups: list[dict[str, Any]] = [
        {"params": model[0].parameters(), "lr": 0.1},
        {"params": model[2].parameters(), "betas": (0.0, 0.5)},
    ]
    both = LaProp(groups, lr=0.01)
    apart = [
        LaProp(alone[0].parameters(), lr=0.1),
        LaProp(alone[2].parameters(), lr=0.01, betas=(0.0, 0.5)),
    ]
    for _ in range(4):
        train(model, both, 1)
        backward(alone, apart[0])
        for optimizer in apart:
            optimizer.step()
        alone.zero_grad()
    assert same(model, alone)
    with pytest.raises(ValueError, match=r"^laprop\.betas\[1\]: needs less than 1, got 1\.0$"):
        both.add_param_group({"params": [nn.Parameter(torch.ones(1))], "betas": (0.9, 1.0)})
    assert len(both.param_groups) == len(groups)


def test_parameters_without_gradient_stay_and_do_not_count_the_step() -> None:
    used, unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = LaProp([used, unused], lr=0.1)
    for _ in range(3):
        used.grad = torch.ones(3)
        optimizer.step()
    assert torch.equal(unused, torch.ones(3))
    assert unused not in optimizer.state
    unused.grad = torch.ones(3)
    optimizer.step()
    torch.testing.assert_close(unused.detach(), torch.full((3,), 0.9))  # corrected as a first step


def test_a_closure_computes_the_gradients() -> None:
    stepped, closed = net(), net()
    train(stepped, LaProp(stepped.parameters(), lr=0.1), 3)
    optimizer = LaProp(closed.parameters(), lr=0.1)
    losses = [optimizer.step(lambda: float(backward(closed, optimizer).detach())) for _ in range(3)]
    assert all(loss is not None and loss > 0 for loss in losses)
    assert same(stepped, closed)


def test_regularizers_find_its_momentum() -> None:
    """Volumization at V = 0 multiplies weights and momentum by alpha: the packed rule, by hand."""
    weight = nn.Linear(3, 2, bias=False)
    start, grad = weight.weight.detach().clone(), torch.randn(2, 3)
    optimizer = LaProp(weight.parameters(), lr=0.1)
    attach(optimizer, weight, "volumization", v=0.0, alpha=0.5)
    weight.weight.grad = grad
    optimizer.step()
    torch.testing.assert_close(weight.weight.detach(), 0.5 * (start - 0.1 * grad.sign()))
    momentum = optimizer.state[weight.weight]["exp_avg"]
    torch.testing.assert_close(momentum, 0.5 * 0.1 * grad.sign())


def test_the_weights_to_keep_are_the_parameters_where_the_rule_has_no_others() -> None:
    model = net()
    optimizer = LaProp(model.parameters())
    train(model, optimizer, 2)
    before = tensors(model)
    with optimizer.weights_to_keep():
        assert all(map(torch.equal, tensors(model), before))
    assert all(map(torch.equal, tensors(model), before))


def test_the_parameters_come_back_when_an_evaluation_fails() -> None:
    model = net()
    optimizer = EntropySGD(model.parameters())
    train(model, optimizer, 3)
    before = tensors(model)

    def fail() -> None:
        with optimizer.weights_to_keep():
            assert not all(map(torch.equal, tensors(model), before))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert all(map(torch.equal, tensors(model), before))


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_it_can_be_copied(twin: Any) -> None:
    model = net()
    optimizer = LaProp(model.parameters(), lr=0.1)
    train(model, optimizer, 2)
    other = twin(optimizer)
    (param, *_), (grad, *_) = other.param_groups[0]["params"], tensors(model)
    param.grad = torch.ones_like(grad)
    other.step()
    assert not torch.equal(param.detach(), grad)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1.0}, r"^sgd\.lr: needs more than 0, got -1\.0$"),
        ({"lr": 0.1, "momentun": 0.9}, r"^sgd\.momentun: unknown key\. Did you mean 'momentum'"),
        ({}, r"^sgd\.lr: is missing; it has no default$"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TorchOptimizer(net().parameters(), "sgd", **settings)


def test_an_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'laprop'"):
        TorchOptimizer(net().parameters(), "lapropp")


@pytest.mark.parametrize(
    "other", [LaProp(net().parameters()), torch.optim.SGD(net().parameters(), lr=0.1)]
)
def test_the_state_of_another_rule_is_refused(other: torch.optim.Optimizer) -> None:
    optimizer = AcceleratedSGD(net().parameters(), lr=0.3)
    with pytest.raises(ValueError, match=r"is of (laprop|an optimizer of torch), not of accel"):
        optimizer.load_state_dict(other.state_dict())
    assert optimizer.param_groups[0]["kind"] == "accelerated_sgd"
    assert optimizer.param_groups[0]["lr"] == 0.3


@pytest.mark.parametrize("steps", [4, 6])
def test_the_weights_to_keep_are_as_the_attached_method_wants_them(steps: int) -> None:
    """Between two outer steps and right after one; discrete inside the block, if so asked."""
    model = net()
    optimizer = EntropySGD(model.parameters(), inner_steps=3)
    box = attach(
        optimizer, model, "volumization", v=0.1, alpha=0.0, volume="absolute", quantize="binary"
    )
    train(model, optimizer, steps)
    weights = [param for param in model.parameters() if param.ndim == 2]
    with optimizer.weights_to_keep():
        assert all((weight.abs() <= 0.1).all() for weight in weights)
        box.quantize()
        assert all(weight.unique().numel() == 2 for weight in weights)
    assert not any(weight.unique().numel() == 2 for weight in weights)
