"""One step on mixed examples against torch's own loss of mixed targets."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from regsearch.losses import LOSSES
from regsearch.optim import OPTIMIZERS
from regsearch.regularizers import REGULARIZERS
from regsearch.train.initial import initial_state
from regsearch.train.step import Hyper, Mixed, Program, State, make_step

SMOOTHING = torch.tensor([0.0, 0.1, 0.5])
SHARE = torch.tensor([0.3, 0.5, 0.9])
LR = 0.5


def program_and_state(models: list[nn.Module], kind: str) -> tuple[Program, State]:
    optimizer = OPTIMIZERS["sgd"].config.model_validate({"kind": "sgd", "lr": LR})
    none = REGULARIZERS["none"].config(kind="none")
    loss = LOSSES[kind].config.model_validate({"kind": kind})
    params, buffers = stack_module_state(models)
    params = {name: param.detach() for name, param in params.items()}
    meta = copy.deepcopy(models[0]).to("meta")
    program = Program(meta, optimizer, [none], loss)
    return program, initial_state(params, buffers, optimizer)


def hyper(loss: dict[str, Tensor]) -> Hyper:
    rates = {"lr": torch.full((3,), LR).double(), "momentum": torch.zeros(3)}
    return Hyper(torch.arange(3), rates, loss, [{}])


def mixed_classes() -> Mixed:
    return Mixed(torch.randint(0, 4, (3, 8)), torch.randint(0, 4, (3, 8)), SHARE)


def soft(y: Mixed, run: int) -> Tensor:
    """What the targets of one run stand for, ``[B, C]``."""
    own, partner = (nn.functional.one_hot(t[run], 4).float() for t in (y.own, y.partner))
    return y.share[run] * own + (1 - y.share[run]) * partner


def test_the_loss_is_the_cross_entropy_of_soft_targets_smoothed_or_not() -> None:
    models: list[nn.Module] = [nn.Linear(5, 4) for _ in range(3)]
    program, state = program_and_state(models, "cross_entropy")
    x, y = torch.randn(8, 5), mixed_classes()
    new, seen = make_step(program)(state, hyper({"label_smoothing": SMOOTHING}), [None], x, y)
    for k, model in enumerate(models):
        logits = model(x)
        smoothing = float(SMOOTHING[k])
        loss = nn.functional.cross_entropy(logits, soft(y, k), label_smoothing=smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(seen.loss[k], 8 * loss.detach())
        for name, param in model.named_parameters():
            assert param.grad is not None
            torch.testing.assert_close(new.params[name][k], param.detach() - LR * param.grad)
        main = (y.own if SHARE[k] >= 0.5 else y.partner)[k]
        assert int(seen.correct[k]) == int((logits.argmax(1) == main).sum())


@pytest.mark.parametrize("targets", ["classes", "values"])
def test_the_squared_error_has_the_gradient_of_mixed_targets(targets: str) -> None:
    models: list[nn.Module] = [nn.Linear(5, 4) for _ in range(3)]
    program, state = program_and_state(models, "squared_error")
    x, y = torch.randn(8, 5), mixed_classes()
    if targets == "values":
        y = Mixed(torch.randn(3, 8, 4), torch.randn(3, 8, 4), SHARE)
    new, seen = make_step(program)(state, hyper({}), [None], x, y)
    for k, model in enumerate(models):
        goal = soft(y, k) if targets == "classes" else torch.lerp(y.partner, y.own, SHARE[k])[k]
        loss = 0.5 * (model(x) - goal).square().sum(1).mean()
        loss.backward()
        for name, param in model.named_parameters():
            assert param.grad is not None
            torch.testing.assert_close(new.params[name][k], param.detach() - LR * param.grad)
    if targets == "values":
        assert seen.correct.tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", list(LOSSES))
def test_the_loss_is_the_mean_of_both_losses_by_their_shares(kind: str) -> None:
    models: list[nn.Module] = [nn.Linear(5, 4) for _ in range(3)]
    program, state = program_and_state(models, kind)
    x, y = torch.randn(8, 5), mixed_classes()
    reals = {"label_smoothing": SMOOTHING, "q": torch.tensor([0.2, 0.5, 0.9])}
    needed = {name: reals[name] for name in reals if name in LOSSES[kind].config.model_fields}
    step = make_step(program)
    _, mixed = step(state, hyper(needed), [None], x, y)
    _, own = step(state, hyper(needed), [None], x, y.own)
    _, partner = step(state, hyper(needed), [None], x, y.partner)
    torch.testing.assert_close(mixed.loss, SHARE * own.loss + (1 - SHARE) * partner.loss)
    _, all_own = step(state, hyper(needed), [None], x, y._replace(share=torch.ones(3)))
    assert torch.equal(all_own.loss, own.loss)
    assert torch.equal(all_own.correct, own.correct)


def test_a_whole_graph_is_traced() -> None:
    models: list[nn.Module] = [nn.Linear(5, 4) for _ in range(3)]
    program, state = program_and_state(models, "cross_entropy")
    arguments = (state, hyper({"label_smoothing": SMOOTHING}), [None], torch.randn(8, 5))
    y, step = mixed_classes(), make_step(program)
    traced = torch.compile(step, fullgraph=True, backend="eager")
    for ours, eager in zip(traced(*arguments, y)[1], step(*arguments, y)[1], strict=True):
        torch.testing.assert_close(ours, eager)
