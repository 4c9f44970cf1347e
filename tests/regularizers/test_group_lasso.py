"""Group lasso against autograd and its own optimality."""

from __future__ import annotations

import pytest
import torch

from regsearch.regularizers.group_lasso import GroupLasso, on_grads
from regsearch.regularizers.penalties import plan_units as plan
from tests.homogeneous import ConvNet, inputs_of, of_run, perceptron, reals, sgd, stacked

LABELS = torch.arange(12) % 3


@pytest.mark.parametrize(
    ("make", "pairs", "rest"),
    [
        (lambda: perceptron(5), [("0", "2"), ("4", "6")], ["8"]),
        (ConvNet, [("conv1", "conv2"), ("conv3", "head")], []),
    ],
)
def test_gradient_is_autograds_of_the_penalty(make, pairs, rest) -> None:  # type: ignore[no-untyped-def]
    model = make()
    penalty = sum(0.5 * model.get_submodule(name).weight.square().sum() for name in rest)
    for first, second in pairs:
        w, v = (model.get_submodule(name).weight for name in (first, second))
        for i in range(len(w)):
            penalty = penalty + w[i].norm() + v.reshape(len(v), len(w), -1)[:, i].norm()
    (0.3 * penalty).backward()
    params = stacked([model])
    zeros = {name: torch.zeros_like(value) for name, value in params.items()}
    decided = plan(model, params, GroupLasso(strength=0.3))
    ours = on_grads(zeros, params, reals(strength=[0.3]), decided)
    for name, param in model.named_parameters():
        expected = torch.zeros_like(param) if param.grad is None else param.grad
        torch.testing.assert_close(ours[name][0], expected)


def test_a_dead_unit_has_the_subgradient_zero() -> None:
    model = perceptron(2)
    params = stacked([model])
    params["0.weight"][:, 0], params["2.weight"][:, :, 1] = 0, 0
    zeros = {name: torch.zeros_like(value) for name, value in params.items()}
    decided = plan(model, params, GroupLasso(strength=1.0))
    grads = on_grads(zeros, params, reals(strength=[1.0]), decided)
    assert (grads["0.weight"][:, 0] == 0).all()
    assert (grads["2.weight"][:, :, 1] == 0).all()
    lengths = grads["0.weight"][:, 1:].norm(dim=2)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_subgradient_steps_reach_no_exact_zero() -> None:
    model = perceptron(2)
    hp = reals(lr=[0.1], strength=[0.5])
    after = sgd(model, stacked([model]), 100, inputs_of(model), LABELS, hp, "group_lasso")
    norm = after["0.weight"].norm(dim=2)
    assert (norm < 0.1).all()
    assert (norm > 0).all()


def test_runs_of_a_pack_are_trained_as_if_alone() -> None:
    models = [ConvNet() for _ in range(3)]
    start, x = stacked(models), inputs_of(models[0])
    hp = reals(lr=[0.05, 0.1, 0.2], strength=[0.0, 0.3, 0.05])
    together = sgd(models[0], start, 5, x, LABELS, hp, "group_lasso")
    for k in range(3):
        alone = sgd(models[0], of_run(start, k), 5, x, LABELS, of_run(hp, k), "group_lasso")
        for name, value in alone.items():
            torch.testing.assert_close(together[name][k], value[0], rtol=1e-10, atol=1e-12)
