"""Weight decay: an L2 term in the gradient, or decoupled from it (Loshchilov and Hutter, 2019)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from regsearch.cells import Tree, per_run
from regsearch.regularizers._base import REGULARIZERS, Hparams, Plan, Regularizer
from regsearch.regularizers.scope import Scope, names_in_scope
from regsearch.space import Kind, Real


class WeightDecay(Kind):
    """Pulls every weight to zero, in proportion to its size."""

    kind: Literal["weight_decay"] = "weight_decay"
    decay: Annotated[Real, Field(ge=0, description="strength, lambda in the papers")]
    coupled: Annotated[
        bool, Field(description="true: L2 in the gradient (Adam, SGD); false: as in AdamW")
    ] = True
    scope: Scope = "weights"


def plan(model: nn.Module, params: Tree, config: WeightDecay) -> Plan:
    """Strength of the decay of each parameter, relative to ``decay``, under the way it acts."""
    names = names_in_scope(model, params, config.scope)
    share = {name: torch.ones_like(params[name].flatten(1)[:, 0]) for name in names}
    return (
        {"coupled": share, "decoupled": {}}
        if config.coupled
        else {"coupled": {}, "decoupled": share}
    )


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: Plan) -> Tree:
    r"""Coupled: :math:`g \leftarrow g + \lambda w`, which enters the optimizer's averages."""
    decayed = {
        name: grads[name] + per_run(hp["decay"] * share, params[name]) * params[name]
        for name, share in plan["coupled"].items()
    }
    return grads | decayed


def before_step(params: Tree, grads: Tree, hp: Hparams, plan: Plan) -> Tree:
    r"""Decoupled: :math:`w \leftarrow (1 - \eta\lambda)\, w`, ahead of the step, as in AdamW."""
    decayed = {
        name: per_run(1 - hp["lr"] * hp["decay"] * share, params[name]) * params[name]
        for name, share in plan["decoupled"].items()
    }
    return params | decayed


REGULARIZERS.add(
    "weight_decay",
    Regularizer(
        config=WeightDecay,
        description="pull to zero in proportion to the weight",
        plan=plan,
        on_grads=on_grads,
        before_step=before_step,
        neutral={"decay": 0.0},
    ),
)
