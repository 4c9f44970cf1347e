"""Volumization (Liu, Wang and others, "Volumization as a Natural Generalization of Weight Decay").

After each step a weight that left the box ``[-V, V]`` keeps the share ``alpha`` of its overshoot,
and its momentum is scaled by ``alpha``. ``alpha`` 1 is no constraint, 0 clips, -1 reflects; V = 0
is decoupled weight decay by the factor ``alpha``. The box may be made discrete from time to time:
its two walls (binary), or these and zero (ternary).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Self

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor, nn

from regsearch.cells import Tree, per_run
from regsearch.errors import SpecError
from regsearch.regularizers._base import REGULARIZERS, Hparams, Quantizer, Regularizer
from regsearch.regularizers.scope import (
    NORMS,
    Exclude,
    Scope,
    names_in_scope,
    natural_name,
    owner,
)
from regsearch.space import Kind, Real
from regsearch.theory.lipschitz import one_lipschitz_volume

Volume = Literal["fan_in", "fan_out", "init_max", "absolute", "lipschitz"]


def _no_infinite_box(v: Any) -> Any:
    if v == math.inf:
        raise ValueError("v = inf is no constraint; write alpha: 1, which is the same")
    return v


class Volumization(Kind):
    """Confines weights to a box of half-width ``v`` times the layer's natural scale.

    Norm layers have no fan: of the units, only ``init_max`` and ``absolute`` confine them.
    """

    kind: Literal["volumization"] = "volumization"
    v: Annotated[
        Real,
        BeforeValidator(_no_infinite_box),
        Field(ge=0, description="half-width of the box, in units of `volume`"),
    ]
    alpha: Annotated[Real, Field(ge=-1, le=1, description="share of the overshoot that is kept")]
    volume: Annotated[
        Volume,
        Field(
            description="unit of v: sqrt(6/fan), the largest initial weight, 1, or the width at "
            "which every layer is 1-Lipschitz"
        ),
    ] = "fan_in"
    scope: Scope = "weights"
    exclude: Exclude = Field(default=[])
    scale_momentum: Annotated[
        bool, Field(description="as in the paper; its released code does not")
    ] = True
    quantize: Annotated[
        Literal["none", "binary", "ternary"],
        Field(description="make the confined weights discrete from time to time, and at the end"),
    ] = "none"
    quantize_every: Annotated[int, Field(ge=1, description="epochs from one time to the next")] = 2

    @model_validator(mode="after")
    def _has_walls_to_round_to(self) -> Self:
        for name, value, no_box in (("v", self.v, 0), ("alpha", self.alpha, 1)):
            if self.quantize != "none" and value == no_box:
                raise ValueError(
                    f"quantize: {self.quantize} needs a box to round to, and {name} = {no_box} "
                    "makes none; give it an entry of its own with quantize: none"
                )
        return self


class Volumes(NamedTuple):
    """The volume of each parameter in scope at ``v`` = 1, ``[K]``, and what else is scaled."""

    unit: Tree
    scale_momentum: bool


def plan(model: nn.Module, params: Tree, config: Volumization) -> Volumes:
    """Measure every parameter in scope that has a volume.

    Raises:
        SpecError: one of them is the raw form of a re-parametrised weight, whose size means
            nothing; ``exclude`` matches nothing; or no volume makes a layer 1-Lipschitz.
    """
    names = names_in_scope(model, params, config.scope, config.exclude)
    if raw := [natural_name(name) for name in names if natural_name(name) != name]:
        raise SpecError(
            [
                f"volumization: {', '.join(dict.fromkeys(raw))} is re-parametrised (by enc, for "
                "one), so the size of its raw weights means nothing; apply one of the two"
            ]
        )
    unit = {}
    for name in names:
        value = _unit_volume(model, params, name, config.volume)
        if value is not None:
            unit[name] = value
    return Volumes(unit, config.scale_momentum)


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


def after_step(params: Tree, momentum: Tree, hp: Hparams, plan: Volumes) -> tuple[Tree, Tree]:
    """Confine every parameter in scope; the second moments are never touched."""
    params, momentum = dict(params), dict(momentum)
    for name, unit in plan.unit.items():
        scaled = momentum.get(name) if plan.scale_momentum else None
        params[name], scaled = confine(params[name], scaled, hp["v"] * unit, hp["alpha"])
        if scaled is not None:
            momentum[name] = scaled
    return params, momentum


def binary(param: Tensor, wall: Tensor) -> Tensor:
    r""":math:`V` for :math:`w \ge 0`, else :math:`-V` (the released code keeps zeros)."""
    return torch.where(param >= 0, wall, -wall)


def ternary(param: Tensor, wall: Tensor) -> Tensor:
    """The nearest of ``-V``, 0 and ``V``; a weight halfway between goes to 0."""
    return wall * param.sign() * (param.abs() > wall / 2)


Levels = Callable[[Tensor, Tensor], Tensor]
LEVELS: dict[str, Levels] = {"binary": binary, "ternary": ternary}


def discrete(levels: Levels, params: Tree, hp: Hparams, plan: Volumes) -> Tree:
    """Round every confined parameter to ``levels`` of its box; zeros where the box has no width.

    The product with zero keeps a diverged run non-finite.
    """
    return params | {
        name: levels(params[name], per_run(hp["v"] * unit, params[name])) + 0 * params[name]
        for name, unit in plan.unit.items()
    }


def quantizer(config: Volumization) -> Quantizer | None:
    """How weights become discrete, if ``config`` wants them so."""
    if config.quantize == "none":
        return None
    return Quantizer(config.quantize_every, partial(discrete, LEVELS[config.quantize]))


def _unit_volume(model: nn.Module, params: Tree, name: str, volume: Volume) -> Tensor | None:
    """V at ``v`` = 1, ``[K]``; ``None`` where it hangs on a shape that the parameter has not.

    ``init_max`` is the released code's rule: the signed maximum of the initial tensor, so a bias
    that starts at zero gets V = 0. We guard it with 0 from below. A bias has its weight's volume.
    """
    flat = params[name].flatten(1)
    if volume == "absolute":
        return torch.ones_like(flat[:, 0])
    if volume == "init_max":
        return flat.amax(1).clamp_min(0)
    layer = owner(model, name)
    weight = params[name] if params[name].ndim >= 3 else _weight_of(name, params)
    if weight is None or weight.ndim < 3 or isinstance(layer, NORMS):
        return None
    shape = weight.shape[1:]
    if volume == "lipschitz":
        _refuse_repeated_inputs(layer, name)
        value = one_lipschitz_volume(shape, getattr(layer, "groups", 1))
    else:
        value = math.sqrt(6 / _fan(layer, shape, volume))
    return torch.full_like(flat[:, 0], value)


def _refuse_repeated_inputs(layer: nn.Module, name: str) -> None:
    mode = getattr(layer, "padding_mode", "zeros")
    if mode not in ("zeros", "circular"):
        raise SpecError(
            [
                f"volumization: volume: lipschitz does not bound {name}, whose layer pads by "
                f"{mode!r}; pad with zeros, or write another volume"
            ]
        )


def _fan(layer: nn.Module, shape: torch.Size, mode: Literal["fan_in", "fan_out"]) -> int:
    """How many weights feed one output, or leave one input, of a layer and its groups."""
    groups: int = getattr(layer, "groups", 1)
    outputs, inputs, *kernel = shape
    if getattr(layer, "transposed", False):
        outputs, inputs = inputs * groups, outputs // groups
    return (inputs if mode == "fan_in" else outputs // groups) * math.prod(kernel)


def _weight_of(bias: str, params: Tree) -> Tensor | None:
    """The weight of the same layer."""
    head, dot, last = bias.rpartition(".")
    return params.get(head + dot + last.replace("bias", "weight"))


REGULARIZERS.add(
    "volumization",
    Regularizer(
        config=Volumization,
        description="confine weights to a box with soft, hard or reflecting walls",
        plan=plan,
        after_step=after_step,
        quantizer=quantizer,
        neutral={"alpha": 1.0},
    ),
)
