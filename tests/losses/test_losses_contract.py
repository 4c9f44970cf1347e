"""What every loss must keep: one number of one run, the same in any pack, with right gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from regsearch.losses import LOSSES, Loss
from regsearch.space import per_run_fields

REALS = {"label_smoothing": [0.0, 0.1, 1.0], "q": [0.0, 0.7, 1.0]}
CASES = [(name, targets) for name in LOSSES for targets in LOSSES[name].accepts]


def inputs(targets: str, runs: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    outputs = torch.randn(runs, 6, 4, dtype=dtype)
    if targets == "classes":
        return outputs, torch.randint(4, (runs, 6))
    return outputs, torch.randn(runs, 6, 4, dtype=dtype)


def reals(loss: Loss, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    return {name: torch.tensor(REALS[name], dtype=dtype) for name in per_run_fields(loss.config)}


def settings(name: str) -> Any:
    return LOSSES[name].config.model_validate({"kind": name})


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_a_pack_gives_each_run_what_it_gets_alone(name: str, targets: str) -> None:
    loss, config = LOSSES[name], settings(name)
    outputs, labels = inputs(targets, runs=3)
    hp = reals(loss)

    def of(outputs: Tensor, labels: Tensor, hp: dict[str, Tensor]) -> Tensor:
        return loss.of(outputs, labels, hp, config)

    grads, values = vmap(grad_and_value(of))(outputs, labels, hp)
    for k in range(3):
        alone = outputs[k].clone().requires_grad_()
        value = of(alone, labels[k], {key: number[k] for key, number in hp.items()})
        (gradient,) = torch.autograd.grad(value, alone)
        torch.testing.assert_close(values[k], value.detach())
        torch.testing.assert_close(grads[k], gradient)


@pytest.mark.parametrize(("name", "targets"), CASES)
@pytest.mark.parametrize("run", range(3))
def test_gradients_are_those_of_differences(name: str, targets: str, run: int) -> None:
    loss, config = LOSSES[name], settings(name)
    outputs, labels = inputs(targets, runs=1, dtype=torch.float64)
    hp = {key: number[run] for key, number in reals(loss, torch.float64).items()}
    point = outputs[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda out: loss.of(out, labels[0], hp, config), point)
    assert torch.autograd.gradgradcheck(lambda out: loss.of(out, labels[0], hp, config), point)


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_the_mean_over_the_batch_is_that_of_its_examples(name: str, targets: str) -> None:
    loss, config = LOSSES[name], settings(name)
    outputs, labels = inputs(targets, runs=1, dtype=torch.float64)
    hp = {key: number[1] for key, number in reals(loss, torch.float64).items()}
    each = [loss.of(outputs[0, i : i + 1], labels[0, i : i + 1], hp, config) for i in range(6)]
    torch.testing.assert_close(loss.of(outputs[0], labels[0], hp, config), torch.stack(each).mean())


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_a_whole_graph_is_traced(name: str, targets: str) -> None:
    loss, config = LOSSES[name], settings(name)
    outputs, labels = inputs(targets, runs=3)
    pack = vmap(grad_and_value(lambda out, y, hp: loss.of(out, y, hp, config)))
    traced = torch.compile(pack, fullgraph=True, backend="eager")
    for ours, eager in zip(
        traced(outputs, labels, reals(loss)), pack(outputs, labels, reals(loss)), strict=True
    ):
        torch.testing.assert_close(ours, eager)


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_field_is_described(name: str) -> None:
    fields = LOSSES[name].config.model_fields
    assert all(field.description for key, field in fields.items() if key != "kind")
