"""AdaDecay (Nakamura and Hong, "Adaptive weight decay for deep neural networks", 2019).

Elements with a larger gradient than others of their layer decay faster, the others slower. The
mean of the factors is below 1, not 1 as the paper says: 0.88 for normal gradients and steepness 4,
0.70 when 60 % of them are zero. So it decays less than ``weight_decay`` and ``random_decay`` of the
same strength; ``renormalize`` takes this difference away.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from regsearch.cells import Tree, per_run
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.elementwise_decay import (
    ElementwiseDecay,
    Layers,
    decay_gradients,
    decay_weights,
    factor,
    mean,
    problems,
    with_mean_one,
)
from regsearch.regularizers.scope import names_in_scope, natural_name


class AdaDecay(ElementwiseDecay):
    """Decay in proportion to a squashed, normalised gradient magnitude.

    Factors follow from the gradient as this entry receives it: list it before entries that change
    the gradient, such as ``weight_decay``. If it is not ``coupled``, it sees what all made of it,
    and ``2 * lr * decay`` has to stay below 1.
    """

    kind: Literal["adadecay"] = "adadecay"
    layer: Annotated[
        Literal["tensor", "module", "model"],
        Field(description="what gradients are normalised over: weight and bias apart, together"),
    ] = "tensor"


def plan(model: nn.Module, params: Tree, config: AdaDecay) -> Layers:
    """Group the parameters in scope into layers; a parametrized weight is one of its layer's."""
    layers: dict[str, list[str]] = {}
    for name in names_in_scope(model, params, config.scope, config.exclude):
        module = natural_name(name).rpartition(".")[0]
        key = {"tensor": name, "module": module, "model": ""}[config.layer]
        layers.setdefault(key, []).append(name)
    return Layers(list(layers.values()), config.coupled, config.renormalize)


def scores(grads: Tree) -> Tree:
    r"""Normalised magnitude of the gradients of one layer, ``[K, ...]`` each.

    .. math:: s_j = (|g_j| - \mu) / \sigma

    Mean and standard deviation (of the whole, not of a sample) are over the layer, for each run.
    Computed from :math:`|g_j| / \mu - 1`, so that small gradients do not underflow when squared
    and the scale of the loss has no effect; its own mean, left by the rounding of :math:`\mu`, is
    taken off. To its variance comes that of a few roundings of a gradient: where all have the same
    size but for these, all scores are about 0.
    """
    sizes = {name: grad.abs() for name, grad in grads.items()}
    average = mean(list(sizes.values()))
    real = torch.finfo(average.dtype)
    excess = {
        name: (size - per_run(average, size)) / per_run(average + real.tiny, size)
        for name, size in sizes.items()
    }
    rest = mean(list(excess.values()))  # what rounding left of the mean
    variance = mean([value.square() for value in excess.values()]) - rest.square()
    spread = (variance + (4 * real.eps) ** 2).sqrt()
    return {
        name: (value - per_run(rest, value)) / per_run(spread, value)
        for name, value in excess.items()
    }


def factors(grads: Tree, steepness: Tensor, plan: Layers) -> Tree:
    r"""The paper's :math:`\theta` of every parameter in scope, ``[K, ...]`` each."""
    found: Tree = {}
    for names in plan.names:
        layer = scores({name: grads[name] for name in names})
        theta = {name: factor(score, steepness) for name, score in layer.items()}
        found |= with_mean_one(theta) if plan.renormalize else theta
    return found


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: Layers) -> Tree:
    r"""Coupled: :math:`g \leftarrow g + \lambda\theta w`; at steepness 0 this is weight decay.

    Equation 9 of the paper has no momentum. We let momentum carry the decay, as in its baseline.
    """
    if not plan.coupled:
        return grads
    return decay_gradients(grads, params, factors(grads, hp["steepness"], plan), hp)


def before_step(params: Tree, grads: Tree, hp: Hparams, plan: Layers) -> Tree:
    r"""Decoupled: :math:`w \leftarrow (1 - \eta\lambda\theta)\, w`, ahead of the step (eq. 9)."""
    if plan.coupled:
        return params
    return decay_weights(params, factors(grads, hp["steepness"], plan), hp)


REGULARIZERS.add(
    "adadecay",
    Regularizer(
        config=AdaDecay,
        description="weight decay, faster where gradients are large",
        plan=plan,
        on_grads=on_grads,
        before_step=before_step,
        problems=problems,
        neutral={"decay": 0.0},
    ),
)
