"""Adam (Kingma and Ba, 2015, algorithm 1), as ``torch.optim.Adam``."""

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


class Adam(Kind):
    """Steps of about the size ``lr`` in every coordinate, along averaged gradients."""

    kind: Literal["adam"] = "adam"
    lr: Annotated[Real, Field(gt=0, description="learning rate")] = 1e-3
    betas: Annotated[
        tuple[Share, Share],
        Field(strict=False, description="memory of the averages of gradient and squared gradient"),
    ] = (0.9, 0.999)
    eps: Annotated[Real, Field(ge=0, description="added to the root of the squared average")] = 1e-8


def update(
    params: Tree, grads: Tree, slots: Slots, step: Tensor, hp: dict[str, Tensor], config: Adam
) -> tuple[Tree, Slots]:
    r"""One step of every run.

    .. math::
        m \leftarrow \beta_1 m + (1-\beta_1) g, \quad n \leftarrow \beta_2 n + (1-\beta_2) g^2,
        \quad w \leftarrow w - \eta\,\frac{m / (1-\beta_1^t)}{\sqrt{n / (1-\beta_2^t)} + \epsilon}

    ``eps`` is outside the root, as in torch and in algorithm 1. The corrections are computed in
    float64, because :math:`1-\beta_2^t` cancels.
    """
    beta1, beta2 = config.betas
    rate = hp["lr"].double() / bias_correction(beta1, step)
    unbias = bias_correction(beta2, step).rsqrt()
    moved, momentum, variance = {}, {}, {}
    for name, param in params.items():
        grad, dtype = grads[name], param.dtype
        m = torch.lerp(slots[MOMENTUM][name], grad, 1 - beta1)
        n = torch.addcmul(beta2 * slots[VARIANCE][name], grad, grad, value=1 - beta2)
        size = n.sqrt().mul_(unbias.to(dtype)).add_(per_run(hp["eps"].to(dtype), param))
        moved[name] = torch.addcmul(param, m / size, per_run(rate.to(dtype), param), value=-1)
        momentum[name], variance[name] = m, n
    return moved, {MOMENTUM: momentum, VARIANCE: variance}


OPTIMIZERS.add(
    "adam",
    Optimizer(
        config=Adam,
        description="averaged gradients over averaged magnitudes",
        slots=lambda params, config: {MOMENTUM: zeros(params), VARIANCE: zeros(params)},
        momentum=lambda config: MOMENTUM,
        update=update,
    ),
)
