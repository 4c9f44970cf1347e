"""PathProx against closed forms, brute force and a loop over units (oracles PPX-O1 to O8)."""

from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError
from scipy.optimize import minimize
from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.regularizers import REGULARIZERS
from regsearch.regularizers.pathprox import (
    PathProx,
    balancing,
    plan,
    shrinking,
)
from regsearch.unit_search import find_groups, split
from regsearch.units import norms, path_norms, to_length_one
from tests.homogeneous import (
    ConvNet,
    inputs_of,
    of_run,
    outputs,
    perceptron,
    reals,
    sgd,
    stacked,
)

LABELS = torch.arange(12) % 3
NETS = pytest.mark.parametrize("make", [perceptron, lambda: perceptron(7), ConvNet])
DOUBLE = torch.float64


def project(model: nn.Module, params: Tree, strength: float = 0.0, **structure: bool) -> Tree:
    """Only what happens after the optimizer's step, at learning rate 0.1."""
    config = PathProx(strength=strength, **structure)
    runs = len(next(iter(params.values())))
    hp = reals(strength=[strength] * runs, lr=[0.1] * runs)
    method = REGULARIZERS["pathprox"]
    return method.after_step(params, {}, hp, method.plan(model, params, config))[0]


def with_biases(models: list[nn.Module]) -> Tree:
    params = stacked(models)
    return params | {n: torch.randn_like(p) for n, p in params.items() if n.endswith("bias")}


def scale_of(z: Tensor, threshold: float) -> Tensor:
    norm = z.norm().view(1)
    return shrinking(norm, torch.tensor([threshold], dtype=z.dtype))


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.9, 10.0])
def test_o1_shrinking_is_the_numerical_minimiser(threshold: float) -> None:
    z = torch.tensor([1.0, -1.0, 0.5, 1.25], dtype=DOUBLE)  # of norm 1.95
    found = minimize(
        lambda x: 0.5 * ((x - z.numpy()) ** 2).sum() + threshold * (x @ x) ** 0.5,
        z.numpy() / 2,
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 20_000, "maxfev": 20_000},
    )
    torch.testing.assert_close(
        scale_of(z, threshold) * z, torch.from_numpy(found.x), atol=1e-5, rtol=0
    )


def test_o1_optimality_and_exact_zeros() -> None:
    """The minimiser x of 0.5||x - z||^2 + t||x|| solves x - z + t x/||x|| = 0, or ||z|| <= t."""
    z = torch.randn(200, 5, dtype=DOUBLE)
    norm, t = z.norm(dim=1), torch.rand(200, dtype=DOUBLE) * 3
    x = shrinking(norm, t)[:, None] * z
    dead = norm <= t
    assert 20 < dead.sum() < 180
    assert (x[dead] == 0).all()
    residual = x - z + t[:, None] * x / x.norm(dim=1, keepdim=True)
    assert residual[~dead].abs().max() < 1e-12
    assert shrinking(torch.zeros(1), torch.ones(1)).isfinite().all()


def test_o2_without_strength_it_is_projected_sgd() -> None:
    """Projected SGD: autograd's gradient, a step, each row back to the unit sphere."""
    model = perceptron(2)
    x = inputs_of(model)
    start = stacked([model])
    start["0.weight"] = start["0.weight"] / start["0.weight"].norm(dim=2, keepdim=True)
    ours = sgd(model, start, 5, x, LABELS, reals(lr=[0.3], strength=[0.0]), "pathprox")
    model.load_state_dict({name: value[0] for name, value in start.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), LABELS).backward()
        optimizer.step()
        with torch.no_grad():
            length = model[0].weight.norm(dim=1)
            model[0].weight /= length[:, None]
            model[0].bias /= length
    for name, param in model.named_parameters():
        torch.testing.assert_close(ours[name][0], param.detach())


@NETS
@pytest.mark.parametrize("balance", [True, False])
def test_o3_preserving_leaves_outputs_alone(make, balance: bool) -> None:  # type: ignore[no-untyped-def]
    models = [make() for _ in range(3)]
    params, x = with_biases(models), inputs_of(models[0])
    after = project(models[0], params, balance=balance, preserve=True)
    change = outputs(models[0], after, x) - outputs(models[0], params, x)
    assert change.abs().max() < 1e-12 * (1 + outputs(models[0], params, x).abs().max())


@NETS
def test_o4_balanced_groups_have_equal_path_norms(make) -> None:  # type: ignore[no-untyped-def]
    """With no projection to unit length undone, M is the geometric mean of the path norms."""
    models = [make() for _ in range(3)]
    params = with_biases(models)
    [chain] = split(models[0], params, [], "pathprox").chains
    before = torch.stack([path_norms(params, g).sum(1) for g in chain])
    assert len(chain) >= 2
    after = project(models[0], params, preserve=True)
    totals = torch.stack([path_norms(after, g).sum(1) for g in chain])
    torch.testing.assert_close(totals, before.prod(0).pow(1 / len(chain)).expand_as(totals))


def test_o4_balance_keeps_the_function_of_layers_without_bias() -> None:
    """The released code forgets the next group where a second layer has no bias."""
    model = nn.Sequential(
        *(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4, bias=False), nn.ReLU()),
        *(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5, bias=False), nn.Linear(5, 6)),
        *(nn.ReLU(), nn.Linear(6, 3, bias=False)),
    ).double()
    params, x = with_biases([model]), inputs_of(model)
    after = project(model, params, preserve=True)
    torch.testing.assert_close(
        outputs(model, after, x), outputs(model, params, x), rtol=0, atol=1e-12
    )
    assert not torch.allclose(project(model, params)["2.weight"], after["2.weight"])


def test_o4_chains_are_balanced_apart_because_tanh_bends_the_scale() -> None:
    model = nn.Sequential(perceptron(4), nn.Tanh(), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
    model.double()
    params, x = with_biases([model]), inputs_of(model)
    after = project(model, params, preserve=True)
    torch.testing.assert_close(
        outputs(model, after, x), outputs(model, params, x), rtol=0, atol=1e-12
    )


def test_balancing_leaves_dead_groups_out() -> None:
    path_norms = torch.tensor([[1.0, 0.0, 0.0], [4.0, 2.0, 0.0], [2.0, 8.0, 0.0]])
    gains = balancing(path_norms)
    torch.testing.assert_close(gains[:, 0], torch.tensor([2.0, 0.5, 1.0]))
    torch.testing.assert_close(gains[:, 1], torch.tensor([1.0, 2.0, 0.5]))
    assert (gains[:, 2] == 1).all()


def test_a_dead_group_does_not_change_the_function() -> None:
    model = perceptron(6)
    params, x = with_biases([model]), inputs_of(model)
    params["6.weight"] = torch.zeros_like(params["6.weight"])
    after = project(model, params, preserve=True)
    torch.testing.assert_close(
        outputs(model, after, x), outputs(model, params, x), rtol=0, atol=1e-12
    )


def test_o7_a_huge_strength_kills_every_unit() -> None:
    model = perceptron(4)
    x = inputs_of(model)
    after = sgd(model, stacked([model]), 2, x, LABELS, reals(lr=[0.1], strength=[1e4]), "pathprox")
    for group in find_groups(model):
        assert (after[group.second] == 0).all()
    torch.testing.assert_close(outputs(model, after, x), after["6.bias"][:, None].expand(1, 12, 3))


@NETS
def test_o8_incoming_weights_have_length_one(make) -> None:  # type: ignore[no-untyped-def]
    models = [make() for _ in range(2)]
    x, hp = inputs_of(models[0]), reals(lr=[0.1, 0.3], strength=[0.01, 0.2])
    after = sgd(models[0], stacked(models), 3, x, LABELS, hp, "pathprox")
    for group in find_groups(models[0]):
        lengths = norms(after, group)[0]
        torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=1e-6)


def reference(
    model: nn.Module, layers: list[str], steps: int, x: Tensor, lr: float, strength: float
) -> nn.Module:
    """Algorithm 1 unit by unit, balancing group by group as the paper's code intends to."""
    own = [model.get_submodule(name) for name in layers]
    pairs = list(zip(own[::2], own[1::2], strict=False))
    loose = [layer for layer in own if all(layer not in pair for pair in pairs)]
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), LABELS)
        (loss + sum(0.5 * strength * layer.weight.square().sum() for layer in loose)).backward()
        optimizer.step()
        with torch.no_grad():
            balance_one_by_one(pairs)
            for first, second in pairs:
                prox_one_by_one(first, second, lr * strength)
    return model


def columns(second: nn.Module, i: int, units: int) -> Tensor:
    """View of the weights that unit ``i`` feeds."""
    out = second.weight.shape[0]  # type: ignore[union-attr,index]
    return second.weight.view(out, units, -1)[:, i]  # type: ignore[operator,union-attr]


def balance_one_by_one(pairs: list[tuple[nn.Module, nn.Module]]) -> None:
    totals = []
    for first, second in pairs:
        n = len(first.weight)
        sizes = [first.weight[i].norm() * columns(second, i, n).norm() for i in range(n)]
        totals.append(torch.stack(sizes).sum())
    mean = torch.stack(totals).prod() ** (1 / len(totals))
    for g, (_, second) in enumerate(pairs):
        scale = mean / totals[g]
        second.weight *= scale
        if second.bias is not None:
            second.bias *= scale
        if g + 1 < len(pairs):  # undo it downstream, where it is taken up as that group's scale
            following = pairs[g + 1]
            if following[0].bias is not None:
                following[0].bias *= scale
            following[1].weight /= scale
            totals[g + 1] /= scale


def prox_one_by_one(first: nn.Module, second: nn.Module, threshold: float) -> None:
    for i in range(len(first.weight)):
        length = first.weight[i].norm()
        first.weight[i] /= length
        if first.bias is not None:
            first.bias[i] /= length
        v = columns(second, i, len(first.weight))
        v *= max(0.0, 1 - threshold / float(v.norm())) if v.norm() > 0 else 0.0


@pytest.mark.parametrize(
    ("make", "layers", "lr", "strength"),
    [
        (perceptron, ["0", "2", "4", "6"], 0.1, 1.0),
        (lambda: perceptron(5), ["0", "2", "4", "6", "8"], 0.2, 0.5),
        (ConvNet, ["conv1", "conv2", "conv3", "head"], 0.1, 0.8),
    ],
)
def test_several_steps_equal_a_loop_over_units(  # type: ignore[no-untyped-def]
    make, layers: list[str], lr: float, strength: float
) -> None:
    model = make().eval()
    x, twin = inputs_of(model), copy.deepcopy(model)
    ours = sgd(
        model, stacked([model]), 6, x, LABELS, reals(lr=[lr], strength=[strength]), "pathprox"
    )
    reference(twin, layers, 6, x, lr, strength)
    for name, param in twin.named_parameters():
        torch.testing.assert_close(ours[name][0], param.detach(), rtol=1e-9, atol=1e-12)
        assert torch.equal(ours[name][0] == 0, param == 0)
    sizes = [path_norms(ours, group) for group in find_groups(model)]
    assert (torch.cat(sizes, 1) == 0).any()
    assert all((size > 0).any() for size in sizes)


@pytest.mark.parametrize("structure", [{}, {"preserve": True}, {"balance": False}])
def test_runs_of_a_pack_are_trained_as_if_alone(structure: dict[str, bool]) -> None:
    models = [ConvNet() for _ in range(3)]
    start, x = stacked(models), inputs_of(models[0])
    hp = reals(lr=[0.05, 0.1, 0.2], strength=[0.0, 0.3, 0.05])
    together = sgd(models[0], start, 4, x, LABELS, hp, "pathprox", **structure)
    for k in range(3):
        alone = sgd(
            models[0], of_run(start, k), 4, x, LABELS, of_run(hp, k), "pathprox", **structure
        )
        for name, value in alone.items():
            torch.testing.assert_close(together[name][k], value[0], rtol=1e-10, atol=1e-12)


def test_regularized_biases_count_in_lengths_and_decay() -> None:
    model = perceptron(3)
    start, hp = with_biases([model]), reals(lr=[0.1], strength=[0.5])
    config = PathProx(strength=0.5, regularize_bias=True, balance=False)
    method, decided = REGULARIZERS["pathprox"], plan(model, start, config)
    zeros = {name: torch.zeros_like(value) for name, value in start.items()}
    grads = method.on_grads(zeros, start, hp, decided)
    for name in start:
        decays = name in {"2.bias", "4.weight", "4.bias"}
        torch.testing.assert_close(grads[name], 0.5 * decays * start[name])
    after, _ = method.after_step(start, {}, hp, decided)
    rows = torch.cat([after["0.weight"], after["0.bias"][:, :, None]], 2)
    torch.testing.assert_close(rows.norm(dim=2), torch.ones(1, rows.shape[1], dtype=DOUBLE))
    torch.testing.assert_close(after["2.bias"], start["2.bias"])


def test_a_unit_without_incoming_weights_is_left_alone() -> None:
    assert to_length_one(torch.tensor([0.0, 1e-9, 4.0])).tolist() == pytest.approx([1, 1e6, 0.25])


def test_regularized_biases_refuse_balance() -> None:
    with pytest.raises(ValidationError, match=r"needs balance: false"):
        PathProx(strength=0.1, regularize_bias=True)


def test_momentum_is_not_touched() -> None:
    model = perceptron(2)
    params, config = stacked([model]), PathProx(strength=1.0)
    hp, momentum = reals(lr=[0.1], strength=[1.0]), {"0.weight": torch.ones(1)}
    decided = plan(model, params, config)
    assert REGULARIZERS["pathprox"].after_step(params, momentum, hp, decided)[1] is momentum
