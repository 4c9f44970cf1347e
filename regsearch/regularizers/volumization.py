"""Volumization (Liu, Wang and others, "Volumization as a Natural Generalization of Weight Decay").

After each step a weight that left the box ``[-V, V]`` keeps the share ``alpha`` of its overshoot,
and its momentum is scaled by ``alpha``. ``alpha`` 1 is no constraint, 0 clips, -1 reflects; V = 0
is decoupled weight decay by the factor ``alpha``.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from regsearch.cells import Tree, per_run
from regsearch.regularizers._base import REGULARIZERS, Hparams, Plan, Regularizer
from regsearch.regularizers.scope import Scope, names_in_scope
from regsearch.space import Kind, Real


class Volumization(Kind):
    """Confines weights to a box of half-width ``v`` times the layer's natural scale."""

    kind: Literal["volumization"] = "volumization"
    v: Annotated[Real, Field(ge=0, description="half-width of the box, in units of `volume`")]
    alpha: Annotated[Real, Field(ge=-1, le=1, description="share of the overshoot that is kept")]
    volume: Annotated[
        Literal["fan_in", "fan_out", "init_max", "absolute"],
        Field(description="unit of v: sqrt(6/fan), the largest initial weight, or 1"),
    ] = "fan_in"
    scope: Scope = "weights"
    scale_momentum: Annotated[
        bool, Field(description="as in the paper; its released code does not")
    ] = True


def plan(model: nn.Module, params: Tree, config: Volumization) -> Plan:
    """The volume of each parameter in scope at ``v`` = 1, and where the momentum is scaled."""
    unit = {}
    for name in names_in_scope(model, params, config.scope):
        value = _unit_volume(name, params, config.volume)
        if value is not None:
            unit[name] = value
    return {"unit": unit, "scaled": unit if config.scale_momentum else {}}


def confine(
    param: Tensor, momentum: Tensor | None, volume: Tensor, alpha: Tensor
) -> tuple[Tensor, Tensor | None]:
    r"""Bring back the weights outside :math:`[-V, V]`.

    .. math::
        |w| > V:\quad w \leftarrow \alpha w + (1-\alpha) V \operatorname{sgn} w,
        \quad m \leftarrow \alpha m

    Args:
        param: candidate weights after the optimizer's step, ``[K, ...]``.
        momentum: the optimizer's momentum in the same shape; ``None``: leave it alone.
        volume: ``V``, ``[K]``, at least 0, in units of the weight.
        alpha: ``[K]``, in [-1, 1].

    ``lerp`` is exact at both ends, so ``alpha`` 0 is a clip and 1 changes nothing. There is no
    ``where``: on a CPU it takes 20 times as long as arithmetic.
    """
    share, wall = per_run(alpha, param), per_run(volume, param)
    clipped = torch.minimum(torch.maximum(param, -wall), wall)
    confined = torch.lerp(clipped, param, share)
    if momentum is None:
        return confined, None
    outside = (param - clipped).sign().abs()  # 1 outside the box, 0 inside
    return confined, torch.lerp(momentum, share * momentum, outside)


def after_step(params: Tree, momentum: Tree, hp: Hparams, plan: Plan) -> tuple[Tree, Tree]:
    """Confine every parameter in scope; the second moments are never touched."""
    params, momentum = dict(params), dict(momentum)
    for name, unit in plan["unit"].items():
        scaled = momentum.get(name) if name in plan["scaled"] else None
        params[name], scaled = confine(params[name], scaled, hp["v"] * unit, hp["alpha"])
        if scaled is not None:
            momentum[name] = scaled
    return params, momentum


def _unit_volume(name: str, params: Tree, volume: str) -> Tensor | None:
    """V at ``v`` = 1, ``[K]``; ``None`` where the unit is a fan and the parameter has none.

    ``init_max`` is the released code's rule: the signed maximum of the initial tensor, so a bias
    that starts at zero gets V = 0. We guard it with 0 from below. A bias has the fan of its weight.
    """
    flat = params[name].flatten(1)
    if volume == "absolute":
        return torch.ones_like(flat[:, 0])
    if volume == "init_max":
        return flat.amax(1).clamp_min(0)
    weight = params[name] if params[name].ndim >= 3 else params.get(_weight_of(name))
    if weight is None or weight.ndim < 3:
        return None
    kernel = weight[0, 0, 0].numel()
    fan = (weight.shape[2] if volume == "fan_in" else weight.shape[1]) * kernel
    return torch.full_like(flat[:, 0], math.sqrt(6 / fan))


def _weight_of(name: str) -> str:
    head, dot, last = name.rpartition(".")
    return head + dot + last.replace("bias", "weight")


REGULARIZERS.add(
    "volumization",
    Regularizer(
        config=Volumization,
        description="confine weights to a box with soft, hard or reflecting walls",
        plan=plan,
        after_step=after_step,
        neutral={"alpha": 1.0},
    ),
)
