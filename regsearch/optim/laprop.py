"""LaProp (Liu, Wang and Ueda, "LaProp: Separating momentum and adaptivity in Adam", 2020).

Adam averages gradients and then normalises; LaProp normalises each gradient and then averages. So
every choice of the two memories is stable. This is the textbook form, with the current learning
rate ahead of the average; the released code averages the product of rate and gradient, which is
the same as long as the rate is constant.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.cells import Tree, per_run
from regsearch.optim._base import OPTIMIZERS, Optimizer, Slots, zeros
from regsearch.optim.averages import Share, bias_correction
from regsearch.space import Kind, Real

MOMENTUM, VARIANCE = "exp_avg", "exp_avg_sq"


class LaProp(Kind):
    """Steps of about the size ``lr`` in every coordinate, along averaged normalised gradients."""

    kind: Literal["laprop"] = "laprop"
    lr: Annotated[Real, Field(gt=0, description="learning rate")] = 4e-4
    betas: Annotated[
        tuple[Share, Share],
        Field(strict=False, description="memory of normalised gradient and squared gradient"),
    ] = (0.9, 0.999)
    eps: Annotated[  # bounded, since the squares of gradients under 1e-18 are 0 in float32
        Real, Field(ge=1e-17, description="added to the root of the squared average")
    ] = 1e-15


def update(
    params: Tree,
    grads: Tree,
    slots: Slots,
    step: Tensor,
    hp: dict[str, Tensor],
    config: LaProp,
) -> tuple[Tree, Slots]:
    r"""One step of every run.

    .. math::
        n \leftarrow \beta_2 n + (1-\beta_2) g^2, \quad
        m \leftarrow \beta_1 m + (1-\beta_1) \frac{g}{\sqrt{n / (1-\beta_2^t)} + \epsilon}, \quad
        w \leftarrow w - \eta\,\frac{m}{1-\beta_1^t}

    At :math:`\beta_1 = 0` this is Adam.
    """
    beta1, beta2 = config.betas
    rate = hp["lr"].double() / bias_correction(beta1, step)
    unbias = bias_correction(beta2, step).rsqrt()
    new: Slots = {MOMENTUM: {}, VARIANCE: {}}
    moved = {}
    for name, param in params.items():
        grad, dtype = grads[name], param.dtype
        n = torch.addcmul(beta2 * slots[VARIANCE][name], grad, grad, value=1 - beta2)
        size = n.sqrt().mul_(unbias.to(dtype)).add_(per_run(hp["eps"].to(dtype), param))
        m = torch.lerp(slots[MOMENTUM][name], grad / size, 1 - beta1)
        moved[name] = torch.addcmul(param, m, per_run(rate.to(dtype), param), value=-1)
        new[MOMENTUM][name], new[VARIANCE][name] = m, n
    return moved, new


OPTIMIZERS.add(
    "laprop",
    Optimizer(
        config=LaProp,
        description="averages of normalised gradients",
        slots=lambda params, config: {MOMENTUM: zeros(params), VARIANCE: zeros(params)},
        momentum=lambda config: MOMENTUM,
        update=update,
    ),
)
