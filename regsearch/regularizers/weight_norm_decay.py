"""Weight decay with unit-length incoming weights, a baseline of PathProx (table 2).

It has PathProx's projection but not its proximal map, so that the two effects can be told apart.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field
from torch import nn

from regsearch.cells import Tree
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.penalties import decayed
from regsearch.regularizers.scope import names_in_scope
from regsearch.space import Kind, Real
from regsearch.unit_search import split
from regsearch.units import UnitGroup, norms, scale_incoming, to_length_one


class WeightNormDecay(Kind):
    """Pulls every weight to zero, and keeps each unit's incoming weights at length 1."""

    kind: Literal["weight_norm_decay"] = "weight_norm_decay"
    decay: Annotated[Real, Field(ge=0, description="strength, lambda in the paper")]


class Normalised(NamedTuple):
    """The weights that decay, and the units whose incoming weights are normalised."""

    weights: list[str]
    groups: list[UnitGroup]


def plan(model: nn.Module, params: Tree, config: WeightNormDecay) -> Normalised:
    """All weights, and the units.

    Raises:
        SpecError: the model has no homogeneous units.
    """
    weights = names_in_scope(model, params, "weights")
    return Normalised(weights, split(model, params, weights, config.kind).groups)


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: Normalised) -> Tree:
    r"""Weight decay in the gradient, :math:`g \leftarrow g + \lambda w`; biases are free."""
    return decayed(grads, params, hp["decay"], plan.weights)


def after_step(params: Tree, momentum: Tree, hp: Hparams, plan: Normalised) -> tuple[Tree, Tree]:
    r""":math:`(w_i, b_i) \leftarrow (w_i, b_i) / \lVert w_i \rVert`; a unit of norm 0 stays."""
    params = dict(params)
    for group in plan.groups:
        shorten = to_length_one(norms(params, group)[0])
        for name in (group.first, group.first_bias):
            if name is not None:
                params[name] = scale_incoming(params[name], shorten)
    return params, momentum


REGULARIZERS.add(
    "weight_norm_decay",
    Regularizer(
        config=WeightNormDecay,
        description="weight decay, with every unit's incoming weights at length 1",
        plan=plan,
        on_grads=on_grads,
        after_step=after_step,
    ),
)
