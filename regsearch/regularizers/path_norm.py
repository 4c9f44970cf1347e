r"""Path-norm penalty by subgradient descent (Yang and others, PathProx, figure 4).

The penalty is never larger than weight decay, and has the same minimisers up to a rescaling of
units: at weight decay's minimum the two norms of every unit are equal.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from regsearch.cells import Tree
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.penalties import decayed, plan_units, pulled
from regsearch.space import Kind, Real
from regsearch.units import Units, inverse, norms


class PathNorm(Kind):
    """Penalises the product of each unit's incoming and outgoing norm."""

    kind: Literal["path_norm"] = "path_norm"
    strength: Annotated[Real, Field(ge=0, description="of the penalty, lambda in the paper")]


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


REGULARIZERS.add(
    "path_norm",
    Regularizer(
        config=PathNorm,
        description="pull every unit's product of incoming and outgoing norm to zero",
        plan=plan_units,
        on_grads=on_grads,
        neutral={"strength": 0.0},
    ),
)
