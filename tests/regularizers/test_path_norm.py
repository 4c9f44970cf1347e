"""The path-norm penalty against autograd and weight decay (oracles PPX-O5, O6, O9)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.regularizers import REGULARIZERS
from regsearch.regularizers.path_norm import PathNorm, on_grads
from regsearch.regularizers.penalties import plan_units as plan
from regsearch.units import inverse, norms, scale_incoming, scale_outgoing
from tests.homogeneous import ConvNet, inputs_of, of_run, perceptron, reals, sgd, stacked

LABELS = torch.arange(12) % 3


def penalty(params: Tree, pairs: list[tuple[str, str]], rest: list[str]) -> Tensor:
    """By the formula, unit by unit, for K = 1."""
    total = torch.zeros((), dtype=torch.float64)
    for first, second in pairs:
        w, v = params[first][0], params[second][0]
        for i in range(len(w)):
            total = total + w[i].norm() * v.reshape(len(v), len(w), -1)[:, i].norm()
    return total + sum(0.5 * params[name].square().sum() for name in rest)


CASES = pytest.mark.parametrize(
    ("make", "pairs", "rest"),
    [
        (perceptron, [("0", "2"), ("4", "6")], []),
        (lambda: perceptron(5), [("0", "2"), ("4", "6")], ["8"]),
        (ConvNet, [("conv1", "conv2"), ("conv3", "head")], []),
    ],
)


@CASES
def test_gradient_is_autograds_of_the_penalty(make, pairs, rest) -> None:  # type: ignore[no-untyped-def]
    model = make()
    params = {name: value.requires_grad_() for name, value in stacked([model]).items()}
    weights = [(f"{a}.weight", f"{b}.weight") for a, b in pairs]
    (0.7 * penalty(params, weights, [f"{name}.weight" for name in rest])).backward()
    zeros = {name: torch.zeros_like(value) for name, value in params.items()}
    with torch.no_grad():
        decided = plan(model, params, PathNorm(strength=0.7))
        ours = on_grads(zeros, params, reals(strength=[0.7]), decided)
    for name, param in params.items():
        expected = torch.zeros_like(param) if param.grad is None else param.grad
        torch.testing.assert_close(ours[name], expected)


def test_a_dead_unit_has_the_subgradient_zero() -> None:
    model = perceptron(2)
    params = stacked([model])
    params["0.weight"][:, 0], params["2.weight"][:, :, 1] = 0, 0
    zeros = {name: torch.zeros_like(value) for name, value in params.items()}
    grads = on_grads(
        zeros, params, reals(strength=[1.0]), plan(model, params, PathNorm(strength=1.0))
    )
    assert all(grad.isfinite().all() for grad in grads.values())
    assert (grads["0.weight"][:, :2] == 0).all()
    assert (grads["2.weight"][:, :, :2] == 0).all()
    assert (grads["0.weight"][:, 2:] != 0).all()


@CASES
def test_o9_it_is_at_most_weight_decay_and_equal_once_units_are_balanced(make, pairs, rest) -> None:  # type: ignore[no-untyped-def]
    model = make()
    params = stacked([model])
    weights = [(f"{a}.weight", f"{b}.weight") for a, b in pairs]
    loose = [f"{name}.weight" for name in rest]

    def decay() -> Tensor:
        return sum(0.5 * p.square().sum() for n, p in params.items() if n.endswith("weight"))  # type: ignore[return-value]

    path = penalty(params, weights, loose)
    assert path < decay()
    for group in plan(model, params, PathNorm(strength=1.0)).groups:
        incoming, outgoing = norms(params, group)
        factor = (outgoing * inverse(incoming)).sqrt()
        params[group.first] = scale_incoming(params[group.first], factor)
        params[group.second] = scale_outgoing(params[group.second], 1 / factor)
    torch.testing.assert_close(penalty(params, weights, loose), path)
    torch.testing.assert_close(decay(), path)


def test_at_the_minimum_of_weight_decay_the_norms_of_every_unit_are_equal() -> None:
    """The homogeneous map is the identity, so that there is no kink for the solver to stop at."""
    model = nn.Sequential(nn.Linear(5, 4), nn.Identity(), nn.Linear(4, 3)).double()
    x, weights = inputs_of(model), [model[0].weight, model[2].weight]
    solver = torch.optim.LBFGS(
        model.parameters(), max_iter=1000, tolerance_grad=1e-8, tolerance_change=0.0
    )

    def objective() -> Tensor:
        solver.zero_grad()
        decay = sum(0.5 * 0.02 * weight.square().sum() for weight in weights)
        loss = nn.functional.cross_entropy(model(x), LABELS) + decay
        loss.backward()
        return loss

    solver.step(objective)
    trained = stacked([model])
    incoming, outgoing = norms(trained, plan(model, trained, PathNorm(strength=1.0)).groups[0])
    assert (incoming > 0.1).all()  # O6: weight decay leaves every unit active
    torch.testing.assert_close(incoming, outgoing, rtol=0, atol=1e-5)


def test_runs_of_a_pack_are_trained_as_if_alone() -> None:
    models: list[nn.Module] = [perceptron(5) for _ in range(3)]
    start, x = stacked(models), inputs_of(models[0])
    hp = reals(lr=[0.05, 0.1, 0.2], strength=[0.0, 0.3, 0.05])
    together = sgd(models[0], start, 5, x, LABELS, hp, "path_norm")
    for k in range(3):
        alone = sgd(models[0], of_run(start, k), 5, x, LABELS, of_run(hp, k), "path_norm")
        for name, value in alone.items():
            torch.testing.assert_close(together[name][k], value[0], rtol=1e-10, atol=1e-12)


def test_without_strength_it_does_nothing() -> None:
    assert REGULARIZERS["path_norm"].neutral == {"strength": 0.0}
    model = perceptron(3)
    grads = {name: torch.randn_like(value) for name, value in stacked([model]).items()}
    decided = plan(model, stacked([model]), PathNorm(strength=0.0))
    same = on_grads(grads, stacked([model]), reals(strength=[0.0]), decided)
    assert all(torch.equal(same[name], grads[name]) for name in grads)
