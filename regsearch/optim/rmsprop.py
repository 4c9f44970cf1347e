"""RMSprop (Hinton, lecture 6e of the course of 2012), as ``torch.optim.RMSprop``."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.cells import Tree, per_run
from regsearch.optim._base import OPTIMIZERS, Optimizer, Slots, zeros
from regsearch.space import Kind, Real

MOMENTUM, VARIANCE, MEAN = "momentum_buffer", "square_avg", "grad_avg"


class RMSprop(Kind):
    """Steps of about the size ``lr`` in every coordinate, along the gradient."""

    kind: Literal["rmsprop"] = "rmsprop"
    lr: Annotated[Real, Field(gt=0, description="learning rate")] = 1e-2
    alpha: Annotated[Real, Field(ge=0, lt=1, description="memory of the squared average")] = 0.99
    eps: Annotated[Real, Field(ge=0, description="added to the root of the squared average")] = 1e-8
    momentum: Annotated[Real, Field(ge=0, lt=1, description="share of the last step kept")] = 0.0
    centered: Annotated[bool, Field(description="divide by the standard deviation")] = False


def update(
    params: Tree, grads: Tree, slots: Slots, step: Tensor, hp: dict[str, Tensor], config: RMSprop
) -> tuple[Tree, Slots]:
    r"""One step of every run.

    .. math::
        n \leftarrow \alpha n + (1-\alpha) g^2, \quad
        m \leftarrow \mu m + \frac{g}{\sqrt{n} + \epsilon}, \quad w \leftarrow w - \eta\, m

    With ``centered`` the root is of :math:`n - \bar g^2`, where :math:`\bar g` averages the
    gradient as n its square. Rounding makes no difference negative here; torch's can be.
    """
    new: Slots = {slot: {} for slot in slots}
    moved = {}
    for name, param in params.items():
        reals = ("lr", "alpha", "eps", "momentum")
        lr, alpha, eps, mu = (per_run(hp[real].to(param.dtype), param) for real in reals)
        share = per_run((1 - hp["alpha"]).to(param.dtype), param)
        grad = grads[name]
        n = new[VARIANCE][name] = alpha * slots[VARIANCE][name] + share * grad * grad
        if config.centered:
            mean = new[MEAN][name] = torch.lerp(slots[MEAN][name], grad, share)
            n = (n - mean * mean).clamp_min(0)
        m = new[MOMENTUM][name] = mu * slots[MOMENTUM][name] + grad / (n.sqrt() + eps)
        moved[name] = param - lr * m
    return moved, new


def slots(params: Tree, config: RMSprop) -> Slots:
    """All averages start at zero."""
    names = (MOMENTUM, VARIANCE, MEAN) if config.centered else (MOMENTUM, VARIANCE)
    return {name: zeros(params) for name in names}


OPTIMIZERS.add(
    "rmsprop",
    Optimizer(
        config=RMSprop,
        description="gradients over averaged magnitudes",
        slots=slots,
        momentum=lambda config: MOMENTUM,
        update=update,
    ),
)
