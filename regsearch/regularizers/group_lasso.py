r"""Group lasso on hidden units by subgradient descent, a baseline of PathProx (figure 5).

The paper does not say what its groups are. Here they are the incoming and the outgoing weights of
a unit, each: without the incoming ones, which ReLU lets grow, the outgoing shrink at no cost.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from regsearch.cells import Tree
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.penalties import decayed, plan_units, pulled
from regsearch.space import Kind, Real
from regsearch.units import Units, inverse, norms


class GroupLasso(Kind):
    """Penalises the norms of each unit's incoming and outgoing weights."""

    kind: Literal["group_lasso"] = "group_lasso"
    strength: Annotated[Real, Field(ge=0, description="of the penalty, lambda in the paper")]


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: Units) -> Tree:
    r"""Add the gradient of the penalty, with the subgradient 0 where a norm is 0.

    .. math::
        \lambda \Big( \sum_i (\lVert w_i \rVert + \lVert v_i \rVert)
            + \tfrac12 \lVert U \rVert^2 \Big)

    U are the weights outside all groups: left free, they would grow while the units shrink. Steps
    along a subgradient reach no exact zero, so prune with ``unit_pruning``.
    """
    strength = hp["strength"]
    grads = decayed(grads, params, strength, plan.rest)
    for group in plan.groups:
        incoming, outgoing = norms(params, group)
        rows = strength[:, None] * inverse(incoming)
        columns = strength[:, None] * inverse(outgoing)
        grads = pulled(grads, params, group, rows, columns)
    return grads


REGULARIZERS.add(
    "group_lasso",
    Regularizer(
        config=GroupLasso,
        description="pull every unit's incoming and outgoing norms to zero at a constant rate",
        plan=plan_units,
        on_grads=on_grads,
        neutral={"strength": 0.0},
    ),
)
