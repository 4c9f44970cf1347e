"""Unit pruning: what it takes away, when, and that it never comes back."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from regsearch.cells import Tree
from regsearch.own_loop import attach
from regsearch.regularizers.unit_pruning import UnitPruning, after_step, plan
from regsearch.unit_search import find_groups
from regsearch.units import path_norms
from tests.homogeneous import ConvNet, inputs_of, perceptron, reals, stacked

LABELS = torch.arange(12) % 3


def prune(
    model: nn.Module, params: Tree, below: list[float], after: list[float], step: int
) -> tuple[Tree, Tree]:
    momentum = {name: torch.ones_like(value) for name, value in params.items()}
    hp = reals(below=below, after_steps=after) | {"step": torch.full((len(below),), step)}
    decided = plan(model, params, UnitPruning(below=below[0], after_steps=after[0]))
    return after_step(params, momentum, hp, decided)


@pytest.mark.parametrize("make", [perceptron, ConvNet])
def test_units_below_are_zero_with_their_momentum_and_others_untouched(make) -> None:  # type: ignore[no-untyped-def]
    model = make()
    params = stacked([model, make()])
    groups = find_groups(model)
    sizes = torch.cat([path_norms(params, g) for g in groups], 1)
    below = sizes.median(1).values
    assert (sizes <= below[:, None]).any(1).all()
    pruned, momentum = prune(model, params, below.tolist(), [0.0, 0.0], 1)
    for g in groups:
        units = params[g.first].shape[1]
        gone = path_norms(params, g) <= below[:, None]
        for tree, before in [(pruned, params), (momentum, None)]:
            for k in range(2):
                for i in range(units):
                    columns = tree[g.second][k].reshape(len(tree[g.second][k]), units, -1)[:, i]
                    unit = [tree[g.first][k, i].ravel(), tree[g.first_bias or ""][k, i].view(1)]
                    values = torch.cat([*unit, columns.ravel()])
                    if gone[k, i]:
                        assert (values == 0).all()
                    elif before is None:
                        assert (values == 1).all()
            if before is not None:
                kept = ~gone
                assert torch.equal(tree[g.first][kept], before[g.first][kept])
        if g.second_bias is not None:
            assert torch.equal(pruned[g.second_bias], params[g.second_bias])


def test_each_run_waits_for_its_own_step_and_has_its_own_bound() -> None:
    model = perceptron(2)
    params = stacked([model, model, model])
    below, after = [1e9, 1e9, 0.0], [4.0, 5.0, 0.0]
    for step, dead in [(4, [False] * 3), (5, [True, False, False]), (6, [True, True, False])]:
        pruned, _ = prune(model, params, below, after, step)
        assert [bool((pruned["0.weight"][k] == 0).all()) for k in range(3)] == dead


def test_zero_prunes_only_units_that_are_exactly_dead() -> None:
    model = perceptron(2)
    params = stacked([model])
    params["2.weight"][:, :, 2] = 0
    params["0.weight"][:, 3] = 1e-12
    pruned, _ = prune(model, params, [0.0], [0.0], 1)
    gone = (pruned["0.weight"] == 0).all(2)[0]
    assert gone.nonzero().ravel().tolist() == [2]
    assert pruned["0.bias"][0, 2] == 0


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (torch.optim.Adam, {"lr": 0.05}),
        (torch.optim.AdamW, {"lr": 0.05, "weight_decay": 0.1}),
        (torch.optim.RMSprop, {"lr": 0.01}),
    ],
)
@pytest.mark.parametrize("activation", [nn.ReLU, nn.LeakyReLU])
def test_a_pruned_unit_stays_dead_even_when_pruning_stops(optimizer, settings, activation) -> None:  # type: ignore[no-untyped-def]
    """A unit at zero has only zero gradients, so the optimizer alone never moves it again."""
    model = nn.Sequential(nn.Linear(5, 8), activation(), nn.Linear(8, 3)).double()
    x, rule = inputs_of(model), optimizer(model.parameters(), **settings)

    def step() -> None:
        rule.zero_grad()
        nn.functional.cross_entropy(model(x), LABELS).backward()
        rule.step()

    for _ in range(5):
        step()
    bound = float(path_norms(stacked([model]), find_groups(model)[0]).median())
    attached = attach(rule, model, "unit_pruning", below=bound, after_steps=0)
    step()
    attached.remove()
    dead = (model[0].weight == 0).all(1)
    assert 0 < dead.sum() < 8
    for _ in range(20):
        step()
    assert (model[0].weight[dead] == 0).all()
    assert (model[0].bias[dead] == 0).all()
    assert (model[2].weight[:, dead] == 0).all()
    assert (model[0].weight[~dead] != 0).all()


@pytest.mark.parametrize("kind", ["pathprox", "group_lasso", "weight_norm_decay"])
def test_pruned_units_stay_dead_beside_other_methods(kind: str) -> None:
    model = perceptron(4)
    x, rule = inputs_of(model), torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    strength = "decay" if kind == "weight_norm_decay" else "strength"
    attach(rule, model, kind, **{strength: 0.05})
    attach(rule, model, "unit_pruning", below=0.3, after_steps=3)
    dead = []
    for _ in range(12):
        rule.zero_grad()
        nn.functional.cross_entropy(model(x), LABELS).backward()
        rule.step()
        sizes = [path_norms(stacked([model]), g) for g in find_groups(model)]
        dead.append(torch.cat(sizes, 1)[0] == 0)
    assert not dead[2].any()
    assert dead[3].any()
    for earlier, later in pairwise(dead):
        assert later[earlier].all()
    assert all(param.isfinite().all() for param in model.parameters())
