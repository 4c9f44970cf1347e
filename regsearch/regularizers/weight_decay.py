"""Weight decay: an L2 term in the gradient, or decoupled from it (Loshchilov and Hutter, 2019)."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field
from torch import nn

from regsearch.cells import Tree, per_run
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.decoupled import too_strong
from regsearch.regularizers.penalties import decayed
from regsearch.regularizers.scope import Exclude, Scope, names_in_scope
from regsearch.space import Kind, Real


class WeightDecay(Kind):
    """Pulls every weight to zero, in proportion to its size."""

    kind: Literal["weight_decay"] = "weight_decay"
    decay: Annotated[Real, Field(ge=0, description="strength, lambda in the papers")]
    coupled: Annotated[
        bool, Field(description="true: L2 in the gradient (Adam, SGD); false: as in AdamW")
    ] = True
    scope: Scope = "weights"
    exclude: Exclude = Field(default=[])


class Decayed(NamedTuple):
    """The parameters that decay, and whether in the gradient."""

    names: list[str]
    coupled: bool


def plan(model: nn.Module, params: Tree, config: WeightDecay) -> Decayed:
    """The parameters in scope."""
    names = names_in_scope(model, params, config.scope, config.exclude)
    return Decayed(names, config.coupled)


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: Decayed) -> Tree:
    r"""Coupled: :math:`g \leftarrow g + \lambda w`, which enters the optimizer's averages."""
    if not plan.coupled:
        return grads
    return decayed(grads, params, hp["decay"], plan.names)


def before_step(params: Tree, grads: Tree, hp: Hparams, plan: Decayed) -> Tree:
    r"""Decoupled: :math:`w \leftarrow (1 - \eta\lambda)\, w`, ahead of the step, as in AdamW."""
    if plan.coupled:
        return params
    return params | {
        name: per_run(1 - hp["lr"] * hp["decay"], params[name]) * params[name]
        for name in plan.names
    }


def problems(config: WeightDecay, lr: float) -> list[str]:
    """A factor that is not positive."""
    return [] if config.coupled else too_strong(config.decay, lr)


REGULARIZERS.add(
    "weight_decay",
    Regularizer(
        config=WeightDecay,
        description="pull to zero in proportion to the weight",
        plan=plan,
        on_grads=on_grads,
        before_step=before_step,
        problems=problems,
        neutral={"decay": 0.0},
    ),
)
