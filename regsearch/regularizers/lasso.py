"""The lasso: an L1 penalty on the weights (Tibshirani, 1996), by its subgradient."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from regsearch.cells import Tree, per_run
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.scope import Exclude, Scope, names_in_scope
from regsearch.space import Kind, Real


class Lasso(Kind):
    """Pulls every weight to zero with the same force, whatever its size."""

    kind: Literal["lasso"] = "lasso"
    strength: Annotated[Real, Field(ge=0, description="lambda, weight of the sum of sizes")]
    scope: Scope = "weights"
    exclude: Exclude = Field(default=[])


def plan(model: nn.Module, params: Tree, config: Lasso) -> list[str]:
    """Names of the parameters in scope."""
    return names_in_scope(model, params, config.scope, config.exclude)


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: list[str]) -> Tree:
    r"""Add a subgradient of :math:`\lambda \sum |w|`, which is 0 at 0.

    .. math:: g \leftarrow g + \lambda \operatorname{sgn} w

    Weights come within a step of zero but hardly ever onto it: count the small ones as zero.
    """
    return grads | {
        name: torch.addcmul(grads[name], params[name].sign(), per_run(hp["strength"], params[name]))
        for name in plan
    }


REGULARIZERS.add(
    "lasso",
    Regularizer(
        config=Lasso,
        description="pull to zero with a constant force",
        plan=plan,
        on_grads=on_grads,
        neutral={"strength": 0.0},
    ),
)
