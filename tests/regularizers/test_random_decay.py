"""Random decay: how its factors are distributed, and what alone they depend on."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.regularizers import random_decay, weight_decay
from regsearch.regularizers.random_decay import RandomDecay, factors, plan
from regsearch.regularizers.weight_decay import WeightDecay


def hparams(seeds: list[int], step: int = 1, **reals: float) -> Tree:
    values = {"decay": 0.3, "steepness": 4.0, "lr": 0.1} | reals
    runs = len(seeds)
    return {name: torch.full((runs,), value).double() for name, value in values.items()} | {
        "seed": torch.tensor(seeds),
        "step": torch.full((runs,), step),
    }


def layer(runs: int, width: int = 200) -> tuple[nn.Module, Tree]:
    model = nn.Linear(width, width)
    params = {n: torch.randn(runs, *p.shape).double() for n, p in model.named_parameters()}
    return model, params


def score(theta: Tensor, steepness: float) -> Tensor:
    """What was drawn: theta = 2 / (1 + exp(-steepness * z)), solved for z."""
    return -(2 / theta - 1).log() / steepness


def test_the_factors_are_squashed_normal_draws_with_mean_one() -> None:
    model, params = layer(2)
    found = factors(
        params, hparams([0, 1], steepness=0.7), plan(model, params, RandomDecay(decay=0.3))
    )
    for theta in found["weight"]:
        assert stats.kstest(score(theta, 0.7).flatten().numpy(), "norm").pvalue > 1e-3
        assert float(theta.mean()) == pytest.approx(1, abs=0.01)


def test_draws_are_new_in_every_step_run_and_parameter() -> None:
    model, params = layer(2, width=20)
    params["bias"] = params["weight"][:, 0]
    planned = plan(model, params, RandomDecay(decay=0.3))
    first, second = (factors(params, hparams([0, 1], step), planned) for step in (1, 2))
    assert not (first["weight"] == second["weight"]).any()
    assert not (first["weight"][0] == first["weight"][1]).any()
    assert not (first["weight"][:, 0] == first["bias"]).any()


@pytest.mark.parametrize("coupled", [True, False])
def test_a_run_in_a_pack_is_the_run_alone(coupled: bool) -> None:
    model, params = layer(3, width=5)
    grads = {name: torch.randn_like(param) for name, param in params.items()}
    planned = plan(model, params, RandomDecay(decay=0.3, coupled=coupled))

    def step(params: Tree, grads: Tree, hp: Tree) -> Tree:
        grads = random_decay.on_grads(grads, params, hp, planned)
        params = random_decay.before_step(params, grads, hp, planned)
        return {name: params[name] - grads[name] for name in params}

    together = step(params, grads, hparams([5, 6, 7], 9))
    for k in range(3):
        own, own_grads = ({n: t[k : k + 1] for n, t in tree.items()} for tree in (params, grads))
        alone = step(own, own_grads, hparams([5 + k], 9))
        for name in params:
            assert torch.equal(together[name][k], alone[name][0])


@pytest.mark.parametrize("coupled", [True, False])
def test_the_decay_enters_where_it_says(coupled: bool) -> None:
    model, params = layer(1, width=5)
    grads = {name: torch.randn_like(param) for name, param in params.items()}
    planned = plan(model, params, RandomDecay(decay=0.3, coupled=coupled))
    hp = hparams([3])
    theta = factors(params, hp, planned)
    new_grads = random_decay.on_grads(grads, params, hp, planned)
    new_params = random_decay.before_step(params, new_grads, hp, planned)
    for name, param in params.items():
        in_grads, in_weights = (0.3, 0.0) if coupled else (0.0, 0.1 * 0.3)
        torch.testing.assert_close(new_grads[name], grads[name] + in_grads * theta[name] * param)
        torch.testing.assert_close(new_params[name], param - in_weights * theta[name] * param)


@pytest.mark.parametrize("coupled", [True, False])
def test_at_steepness_zero_it_is_weight_decay_to_the_bit(coupled: bool) -> None:
    model, params = layer(2, width=5)
    grads = {name: torch.randn_like(param) for name, param in params.items()}
    hp = hparams([0, 1], steepness=0.0)
    ours = plan(model, params, RandomDecay(decay=0.3, coupled=coupled))
    theirs = weight_decay.plan(model, params, WeightDecay(decay=0.3, coupled=coupled, scope="all"))
    for name in params:
        assert torch.equal(
            random_decay.on_grads(grads, params, hp, ours)[name],
            weight_decay.on_grads(grads, params, hp, theirs)[name],
        )
        assert torch.equal(
            random_decay.before_step(params, grads, hp, ours)[name],
            weight_decay.before_step(params, grads, hp, theirs)[name],
        )


def test_renormalized_factors_have_mean_one_in_each_parameter() -> None:
    model, params = layer(2, width=3)
    planned = plan(model, params, RandomDecay(decay=0.3, renormalize=True))
    for theta in factors(params, hparams([0, 1]), planned).values():
        torch.testing.assert_close(theta.flatten(1).mean(1), torch.ones(2).double())


def test_excluded_parameters_do_not_decay() -> None:
    model, params = layer(1, width=3)
    assert plan(model, params, RandomDecay(decay=0.3, exclude=["bias"])).names == [["weight"]]
