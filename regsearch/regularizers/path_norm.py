r"""Path-norm penalty by subgradient descent (Yang and others, PathProx, figure 4).

The penalty is never larger than weight decay, and has the same minimisers up to a rescaling of
units: at weight decay's minimum the two norms of every unit are equal.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from regsearch.cells import Tree, per_run
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.scope import names_in_scope
from regsearch.space import Kind, Real
from regsearch.units import (
    UnitGroup,
    Units,
    inverse,
    norms,
    scale_incoming,
    scale_outgoing,
    split,
)


class PathNorm(Kind):
    """Penalises the product of each unit's incoming and outgoing norm."""

    kind: Literal["path_norm"] = "path_norm"
    strength: Annotated[Real, Field(ge=0, description="of the penalty, lambda in the paper")]


def plan(model: nn.Module, params: Tree, config: Kind) -> Units:
    """The units, and the weights outside them.

    Raises:
        SpecError: the model has no homogeneous units.
    """
    return split(model, params, names_in_scope(model, params, "weights"))


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: Units) -> Tree:
    r"""Add the gradient of the penalty, with the subgradient 0 where a norm is 0.

    .. math::
        \lambda \Big( \sum_i \lVert w_i \rVert \lVert v_i \rVert
            + \tfrac12 \lVert U \rVert^2 \Big), \qquad
        \nabla_{w_i} = \lambda \lVert v_i \rVert \frac{w_i}{\lVert w_i \rVert}

    U are the weights outside all groups. Biases are free.
    """
    strength = hp["strength"]
    grads = decayed(grads, params, strength, plan.rest)
    for group in plan.groups:
        incoming, outgoing = norms(params, group)
        rows = strength[:, None] * outgoing * inverse(incoming)
        columns = strength[:, None] * incoming * inverse(outgoing)
        grads = pulled(grads, params, group, rows, columns)
    return grads


def decayed(grads: Tree, params: Tree, strength: Tensor, names: list[str]) -> Tree:
    """``grads`` and those of half the squared norm of ``names``, times ``strength``, ``[K]``."""
    return grads | {
        name: grads[name] + per_run(strength, params[name]) * params[name] for name in names
    }


def pulled(grads: Tree, params: Tree, group: UnitGroup, rows: Tensor, columns: Tensor) -> Tree:
    """``grads`` and the weights of each unit times its ``rows`` and ``columns``, ``[K, N]``."""
    first, second = group.first, group.second
    return grads | {
        first: grads[first] + scale_incoming(params[first], rows),
        second: grads[second] + scale_outgoing(params[second], columns),
    }


REGULARIZERS.add(
    "path_norm",
    Regularizer(
        config=PathNorm,
        description="pull every unit's product of incoming and outgoing norm to zero",
        plan=plan,
        on_grads=on_grads,
        neutral={"strength": 0.0},
    ),
)
