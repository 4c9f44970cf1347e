"""When attached methods act in a step, whatever kind of step it is, and on what."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from regsearch.errors import RegsearchError, SpecError
from regsearch.optim import EntropySGD
from regsearch.own_loop import attach
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining

X = torch.linspace(-2, 2, 32).sin().reshape(8, 4)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def twins() -> tuple[nn.Sequential, nn.Sequential]:
    return net(), net()


def loss_of(model: nn.Module) -> torch.Tensor:
    loss: torch.Tensor = model(X).square().mean()
    return loss


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


def same(one: nn.Module, two: nn.Module) -> None:
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a.detach(), b.detach())


def same_bits(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("coupled", [True, False])
def test_a_step_that_computes_its_gradients_itself(by_name: bool, coupled: bool) -> None:
    """A closure computes the gradients after ``step`` has begun; torch's own decay tells."""
    theirs, ours = twins()
    decaying = torch.optim.Adam if coupled else torch.optim.AdamW
    optimizers = [
        decaying(theirs.parameters(), lr=0.1, weight_decay=0.3),
        torch.optim.Adam(ours.parameters(), lr=0.1),
    ]
    attach(optimizers[1], ours, "weight_decay", decay=0.3, coupled=coupled, scope="all")
    for model, optimizer in zip((theirs, ours), optimizers, strict=True):

        def closure(model: nn.Module = model, own: torch.optim.Optimizer = optimizer) -> float:
            own.zero_grad()
            loss = loss_of(model)
            loss.backward()
            return float(loss.detach())

        for _ in range(4):
            before = float(loss_of(model).detach())
            loss = optimizer.step(closure=closure) if by_name else optimizer.step(closure)
            assert loss == pytest.approx(before)
    same(theirs, ours)


def test_a_step_with_gradients_from_several_places_is_refused() -> None:
    model = net()
    optimizer = torch.optim.LBFGS(model.parameters())
    attach(optimizer, model, "weight_decay", decay=0.1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    with pytest.raises(
        RegsearchError, match="weight_decay: LBFGS computes gradients several times"
    ):
        optimizer.step(closure)


def test_where_the_optimizer_ascends_weights_decay_as_torch_has_it() -> None:
    """One group goes up and the other down, and the decay of torch pulls to zero in both."""
    theirs, ours = twins()

    def optimizer(model: nn.Sequential, decay: float) -> torch.optim.Optimizer:
        groups = [
            {"params": model[0].parameters(), "maximize": True},
            {"params": model[2].parameters()},
        ]
        return torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=decay)

    plain = optimizer(ours, 0.0)
    attach(plain, ours, "weight_decay", decay=0.3, scope="all")
    train(theirs, optimizer(theirs, 0.3), 4)
    train(ours, plain, 4)
    same(theirs, ours)


def test_gradients_scaled_for_a_fused_optimizer() -> None:
    """It divides them by the scale itself, inside the step, after the regularizer has seen them."""
    theirs, ours = twins()
    decaying = torch.optim.Adam(theirs.parameters(), lr=0.1, weight_decay=0.3)
    plain = torch.optim.Adam(ours.parameters(), lr=0.1, fused=True)
    attach(plain, ours, "weight_decay", decay=0.3, scope="all")
    train(theirs, decaying, 4)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for unscaled_before in (False, True, False, True):
        plain.zero_grad()
        scaler.scale(loss_of(ours)).backward()
        if unscaled_before:
            scaler.unscale_(plain)
        scaler.step(plain)
        scaler.update()
    same(theirs, ours)


def test_a_step_that_a_fused_optimizer_skips_is_none() -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
    kinds: list[dict[str, Any]] = [
        {"kind": "weight_decay", "decay": 0.5, "coupled": False},
        {"kind": "volumization", "v": 0.01, "alpha": 0.0},
    ]
    handles = [attach(optimizer, model, **kind) for kind in kinds]
    before = copy.deepcopy(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(loss_of(model) * float("inf")).backward()
    scaler.step(optimizer)
    assert same_bits(model, before)
    assert [handle.state_dict()["step"] for handle in handles] == [0, 0]
    train(model, optimizer, 1)
    assert [handle.state_dict()["step"] for handle in handles] == [1, 1]


def as_in(pack: PackTraining) -> nn.Module:
    """The model of the pack's only run, an ordinary one."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    model.load_state_dict({name: param[0] for name, param in pack.state.params.items()})
    return model


def follow(
    pack: PackTraining,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    methods: list[dict[str, Any]],
) -> None:
    """Train ``model`` on the batches of the pack's next epoch, to the pack's weights."""
    for method in methods:
        attach(optimizer, model, **method)
    for x, y in pack._batches():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y[0]).backward()
        optimizer.step()
    pack.run_epoch()
    for name, param in model.named_parameters():
        torch.testing.assert_close(pack.state.params[name][0], param.detach(), rtol=1e-4, atol=1e-5)


TOGETHER: list[list[dict[str, Any]]] = [
    [
        {"kind": "adadecay", "decay": 3.0, "coupled": False},
        {"kind": "weight_decay", "decay": 0.5},
    ],
    [
        {"kind": "volumization", "v": 0.2, "alpha": 0.5},
        {"kind": "pathprox", "strength": 0.1, "balance": False},
        {"kind": "lasso", "strength": 0.05},
    ],
]


@pytest.mark.parametrize("methods", TOGETHER, ids=lambda methods: methods[0]["kind"])
def test_several_act_as_in_a_pack(make_task: Any, methods: list[dict[str, Any]]) -> None:
    """Gradients pass all of them before any weight moves: AdaDecay sees what the decay adds."""
    pack = PackTraining([make_task(None, {"epochs": 1}, regularizers=methods)], Engine())
    model = as_in(pack)
    follow(pack, model, torch.optim.Adam(model.parameters(), lr=0.01), methods)


def test_under_entropy_sgd_the_rate_is_that_of_an_inner_step(make_task: Any) -> None:
    rule = {"lr": 0.5, "inner_steps": 3, "inner_lr": 0.1, "noise": 0.0}
    method = {"kind": "weight_decay", "decay": 1.0, "coupled": False}
    task = make_task(method, {"optimizer": {"kind": "entropy_sgd", **rule}, "epochs": 1})
    pack = PackTraining([task], Engine())
    model = as_in(pack)
    follow(pack, model, EntropySGD(model.parameters(), **rule), [method])


def test_each_can_be_removed_alone() -> None:
    theirs, ours = twins()
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
    lasso = attach(optimizer, ours, "lasso", strength=0.2)
    decay = attach(optimizer, ours, "weight_decay", decay=0.3, scope="all")
    lasso.remove()
    lasso.remove()  # no harm
    train(ours, optimizer, 3)
    train(theirs, torch.optim.SGD(theirs.parameters(), lr=0.1, weight_decay=0.3), 3)
    same(theirs, ours)
    decay.remove()
    train(ours, optimizer, 3)
    train(theirs, torch.optim.SGD(theirs.parameters(), lr=0.1), 3)
    same(theirs, ours)


def test_a_model_that_the_optimizer_does_not_train_is_refused() -> None:
    trained, other = twins()
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.1)
    with pytest.raises(SpecError, match=r"weight_decay: .* trains no parameter of this model; att"):
        attach(optimizer, other, "weight_decay", decay=0.1)
    trained.requires_grad_(False)
    with pytest.raises(SpecError, match="no parameter of this model"):
        attach(optimizer, trained, "weight_decay", decay=0.1)


@pytest.mark.parametrize("way", ["added", "unfrozen"])
def test_parameters_that_join_later_do_not_go_unregularized(way: str) -> None:
    model = net()
    model[0].requires_grad_(False)
    trained = model[2].parameters() if way == "added" else model.parameters()
    optimizer = torch.optim.SGD(trained, lr=0.1)
    handle = attach(optimizer, model, "weight_decay", decay=0.1)
    train(model, optimizer, 1)
    model[0].requires_grad_(True)
    if way == "added":
        train(model, optimizer, 1)  # unfrozen, but this optimizer does not move them
        optimizer.add_param_group({"params": model[0].parameters()})
    with pytest.raises(
        RegsearchError, match=r"weight_decay: 0\.weight, 0\.bias joined .* attach ag"
    ):
        train(model, optimizer, 1)
    handle.remove()
    attach(optimizer, model, "weight_decay", decay=0.1)
    train(model, optimizer, 1)
