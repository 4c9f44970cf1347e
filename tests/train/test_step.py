"""One step of a pack against one step of each model alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.func import stack_module_state

from regsearch.losses import LOSSES
from regsearch.optim import OPTIMIZERS
from regsearch.regularizers import REGULARIZERS
from regsearch.train.initial import initial_state
from regsearch.train.step import Hyper, Program, State, apply, make_step

LR = torch.tensor([0.1, 0.3, 0.5])


class Normed(nn.Module):
    """Has buffers: batch norm's running statistics and its counter."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(x)).relu().flatten(1))


def program_and_state(models: list[nn.Module], batches: str) -> tuple[Program, State]:
    optimizer = OPTIMIZERS["sgd"].config.model_validate({"kind": "sgd", "lr": 0.1})
    none = REGULARIZERS["none"].config()  # type: ignore[call-arg]
    params, buffers = stack_module_state(models)
    params = {name: param.detach() for name, param in params.items()}
    meta = copy.deepcopy(models[0]).to("meta")
    loss = LOSSES["cross_entropy"].config()  # type: ignore[call-arg]
    program = Program(meta, optimizer, [none], loss, batches=batches)
    return program, initial_state(params, buffers, optimizer)


def hyper_of_three() -> Hyper:
    return Hyper(
        seed=torch.arange(3),
        optimizer={"lr": LR.double(), "momentum": torch.zeros(3)},
        loss={"label_smoothing": torch.zeros(3)},
        regularizers=[{}],
    )


@pytest.mark.parametrize("batches", ["shared", "independent"])
def test_a_step_of_a_pack_is_a_step_of_each_model(batches: str) -> None:
    models = [Normed() for _ in range(3)]
    program, state = program_and_state(models, batches)  # type: ignore[arg-type]
    x = torch.randn(8, 1, 4, 4) if batches == "shared" else torch.randn(3, 8, 1, 4, 4)
    y = torch.randint(0, 4, (3, 8))
    hyper = hyper_of_three()
    before = {name: value.clone() for name, value in (state.params | state.buffers).items()}
    new, seen = make_step(program)(state, hyper, [None], x, y)
    for name, value in (state.params | state.buffers).items():
        assert torch.equal(value, before[name]), "the step is pure"
    assert int(new.step) == 1
    for k, model in enumerate(models):
        logits = model(x if batches == "shared" else x[k])
        loss = nn.functional.cross_entropy(logits, y[k])
        loss.backward()
        torch.optim.SGD(model.parameters(), lr=float(LR[k])).step()
        torch.testing.assert_close(seen.loss[k], 8 * loss.detach())
        assert int(seen.correct[k]) == int((logits.argmax(1) == y[k]).sum())
        for name, value in model.state_dict().items():
            stacked = new.params[name] if name in new.params else new.buffers[name]
            torch.testing.assert_close(stacked[k], value)


def test_a_run_that_is_not_finite_touches_no_other() -> None:
    models = [nn.Sequential(nn.Flatten(), nn.Linear(16, 4)) for _ in range(3)]
    program, state = program_and_state(models, "shared")
    x, y = torch.randn(8, 1, 4, 4), torch.randint(0, 4, (3, 8))
    hyper = hyper_of_three()
    sick = {name: value.clone() for name, value in state.params.items()}
    sick["1.weight"][1] = torch.nan
    healthy, _ = make_step(program)(state, hyper, [None], x, y)
    new, _ = make_step(program)(state._replace(params=sick), hyper, [None], x, y)
    for name, value in new.params.items():
        assert value[1].isnan().any()
        assert torch.equal(value[[0, 2]], healthy.params[name][[0, 2]])


def test_methods_hold_to_the_rate_at_which_the_gradient_is_taken() -> None:
    """Entropy-SGD's inner steps have a rate of their own, and decoupled decay is at that one."""
    optimizer = OPTIMIZERS["entropy_sgd"].config.model_validate({"kind": "entropy_sgd"})
    decay = REGULARIZERS["weight_decay"].config.model_validate(
        {"kind": "weight_decay", "decay": 1.0, "coupled": False}
    )
    model, params = nn.Linear(4, 2), {"weight": torch.randn(3, 2, 4)}
    loss = LOSSES["cross_entropy"].config(kind="cross_entropy")
    state = initial_state(params, {}, optimizer)
    zeros = dict.fromkeys(("momentum", "gamma", "scoping", "noise", "averaging", "weight_decay"))
    reals = {"lr": LR, "inner_lr": LR / 10} | {name: torch.zeros(3) for name in zeros}
    hyper = Hyper(torch.arange(3), reals, {}, [{"decay": torch.ones(3)}])
    plan = REGULARIZERS["weight_decay"].plan(model, params, decay)
    grads = {"weight": torch.zeros(3, 2, 4)}
    new, _ = apply(Program(model, optimizer, [decay], loss), state, grads, hyper, [plan])
    expected = (1 - LR / 10)[:, None, None] * params["weight"]
    torch.testing.assert_close(new["weight"], expected)
