"""Weight decay by random factors: the control of AdaDecay (its paper's equation 13).

The factors have mean 1, those of AdaDecay less: at equal ``decay`` the two differ in how much
decays in all, too. ``renormalize`` on both takes this difference away.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from regsearch import draws
from regsearch.cells import Tree
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.elementwise_decay import (
    ElementwiseDecay,
    Layers,
    decay_gradients,
    decay_weights,
    factor,
    problems,
    with_mean_one,
)
from regsearch.regularizers.scope import names_in_scope


class RandomDecay(ElementwiseDecay):
    """Decay as ``adadecay``, with N(0, 1), new at every step, in place of gradient magnitudes."""

    kind: Literal["random_decay"] = "random_decay"


def plan(model: nn.Module, params: Tree, config: RandomDecay) -> Layers:
    """The parameters in scope, each by itself."""
    names = names_in_scope(model, params, config.scope, config.exclude)
    return Layers([[name] for name in names], config.coupled, config.renormalize)


def factors(params: Tree, hp: Hparams, plan: Layers) -> Tree:
    r""":math:`\theta = 2 / (1 + e^{-\alpha z})` with z drawn from N(0, 1), ``[K, ...]`` each."""
    found: Tree = {}
    for [name] in plan.names:
        z = draws.normal(hp["seed"], hp["step"], f"random_decay/{name}", params[name])
        theta = {name: factor(z, hp["steepness"])}
        found |= with_mean_one(theta) if plan.renormalize else theta
    return found


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: Layers) -> Tree:
    r"""Coupled: :math:`g \leftarrow g + \lambda\theta w`."""
    if not plan.coupled:
        return grads
    return decay_gradients(grads, params, factors(params, hp, plan), hp)


def before_step(params: Tree, grads: Tree, hp: Hparams, plan: Layers) -> Tree:
    r"""Decoupled: :math:`w \leftarrow (1 - \eta\lambda\theta)\, w`, ahead of the step."""
    if plan.coupled:
        return params
    return decay_weights(params, factors(params, hp, plan), hp)


REGULARIZERS.add(
    "random_decay",
    Regularizer(
        config=RandomDecay,
        description="weight decay by random factors, the control of adadecay",
        plan=plan,
        on_grads=on_grads,
        before_step=before_step,
        problems=problems,
        neutral={"decay": 0.0},
    ),
)
