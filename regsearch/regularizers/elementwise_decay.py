"""Weight decay with a factor of its own for every element: what such methods have in common."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from regsearch.cells import Tree, per_run
from regsearch.regularizers._base import Hparams
from regsearch.regularizers.decoupled import too_strong
from regsearch.regularizers.scope import Exclude, Scope
from regsearch.space import Kind, Real


class ElementwiseDecay(Kind):
    """Settings that every such method has."""

    decay: Annotated[Real, Field(ge=0, description="strength, lambda in the paper")]
    steepness: Annotated[
        Real, Field(description="how sharply decay follows the score, alpha in the paper; 0: not")
    ] = 4.0
    coupled: Annotated[
        bool, Field(description="true: in the gradient, so momentum carries it; false: apart")
    ] = True
    renormalize: Annotated[
        bool, Field(description="divide the factors by their mean, so that it is 1")
    ] = False
    scope: Scope = "all"
    exclude: Exclude = Field(default=[])


class Layers(NamedTuple):
    """The parameters that decay, those of a layer together, and how."""

    names: list[list[str]]
    coupled: bool
    renormalize: bool


def problems(config: ElementwiseDecay, lr: float) -> list[str]:
    """A factor that is not positive where the score is large."""
    most = 2 if config.steepness else 1
    return [] if config.coupled else too_strong(config.decay, lr, most)


def factor(score: Tensor, steepness: Tensor) -> Tensor:
    r"""How much of the decay an element gets: :math:`2 / (1 + e^{-\alpha s})`, in [0, 2].

    Args:
        score: 0 for the decay itself, ``[K, ...]``.
        steepness: ``[K]``.
    """
    return 2 * torch.sigmoid(per_run(steepness, score) * score)


def mean(tensors: list[Tensor]) -> Tensor:
    """Mean over all elements of all ``tensors``, for each run, ``[K]``."""
    count = sum(tensor[0].numel() for tensor in tensors)
    first, *others = [tensor.reshape(len(tensor), -1).sum(1) for tensor in tensors]
    return sum(others, first) / count


def with_mean_one(factors: Tree) -> Tree:
    """``factors`` over the mean that they have together."""
    average = mean(list(factors.values()))
    return {name: value / per_run(average, value) for name, value in factors.items()}


def decay_gradients(grads: Tree, params: Tree, factors: Tree, hp: Hparams) -> Tree:
    r"""Coupled: :math:`g \leftarrow g + \lambda\theta w`."""
    return grads | {
        name: grads[name] + per_run(hp["decay"], theta) * theta * params[name]
        for name, theta in factors.items()
    }


def decay_weights(params: Tree, factors: Tree, hp: Hparams) -> Tree:
    r"""Decoupled: :math:`w \leftarrow (1 - \eta\lambda\theta)\, w`."""
    return params | {
        name: (1 - per_run(hp["lr"] * hp["decay"], theta) * theta) * params[name]
        for name, theta in factors.items()
    }
