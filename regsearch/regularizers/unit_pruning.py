"""Unit pruning by path norm (Yang and others, PathProx, figure 5), beside another regularizer.

regularizers:
  - [{kind: lasso, strength: 1e-4}, {kind: unit_pruning, below: 1e-3, after_steps: 5000}]
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.cells import Tree, per_run
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.space import Kind, Real
from regsearch.unit_search import split
from regsearch.units import Units, path_norms, scale_incoming, scale_outgoing


class UnitPruning(Kind):
    """Takes units out of the network for good, once their path norm is small enough."""

    kind: Literal["unit_pruning"] = "unit_pruning"
    below: Annotated[
        Real, Field(ge=0, description="largest path norm to prune; 0: exactly dead units")
    ]
    after_steps: Annotated[Real, Field(ge=0, description="steps until pruning begins")]


def plan(model: nn.Module, params: Tree, config: UnitPruning) -> Units:
    """Find the units.

    Raises:
        SpecError: the model has no homogeneous units.
    """
    return split(model, params, [], config.kind)


def after_step(params: Tree, momentum: Tree, hp: Hparams, plan: Units) -> tuple[Tree, Tree]:
    r"""After more than ``after_steps`` steps, remove the units of path norm at most ``below``.

    .. math:: w_i = b_i = v_i = 0, and so their momentum

    It lasts without a mask: such a unit puts out :math:`\phi(0) = 0` and passes back
    :math:`v_i^T \delta = 0`, so all its gradients are 0, and without momentum an optimizer leaves
    it there. Where one adds noise, the unit is removed again while its path norm is within
    ``below``.
    """
    params, momentum = dict(params), dict(momentum)
    waiting = hp["step"] <= hp["after_steps"]
    for group in plan.groups:
        size = path_norms(params, group)
        kept = ((size > per_run(hp["below"], size)) | per_run(waiting, size)).to(size.dtype)
        for tree in (params, momentum):
            for name in (group.first, group.first_bias):
                if name is not None and name in tree:
                    tree[name] = scale_incoming(tree[name], kept)
            if group.second in tree:
                tree[group.second] = scale_outgoing(tree[group.second], kept)
    return params, momentum


REGULARIZERS.add(
    "unit_pruning",
    Regularizer(
        config=UnitPruning,
        description="remove hidden units of small path norm, beside another regularizer",
        plan=plan,
        after_step=after_step,
    ),
)
