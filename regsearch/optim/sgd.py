"""Stochastic gradient descent with heavy-ball or Nesterov momentum, as ``torch.optim.SGD``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from regsearch.cells import Tree, per_run
from regsearch.optim._base import OPTIMIZERS, Optimizer, Slots, zeros
from regsearch.space import Kind, Real

MOMENTUM = "momentum_buffer"


class SGD(Kind):
    """Steps against the gradient; ``momentum`` 0 is plain descent."""

    kind: Literal["sgd"] = "sgd"
    lr: Annotated[Real, Field(gt=0, description="learning rate")]
    momentum: Annotated[Real, Field(ge=0, lt=1, description="share of the last step kept")] = 0.0
    nesterov: Annotated[bool, Field(description="look ahead along the momentum")] = False


def update(
    params: Tree, grads: Tree, slots: Slots, step: Tensor, hp: dict[str, Tensor], config: SGD
) -> tuple[Tree, Slots]:
    r"""One step of every run.

    .. math:: m \leftarrow \mu m + g, \qquad w \leftarrow w - \eta\, m

    With ``nesterov`` the weights move along :math:`g + \mu m` instead. No dampening.
    """
    moved, momentum = {}, {}
    for name, param in params.items():
        lr, mu = (per_run(hp[key].to(param.dtype), param) for key in ("lr", "momentum"))
        momentum[name] = mu * slots[MOMENTUM][name] + grads[name]
        direction = grads[name] + mu * momentum[name] if config.nesterov else momentum[name]
        moved[name] = param - lr * direction
    return moved, {MOMENTUM: momentum}


OPTIMIZERS.add(
    "sgd",
    Optimizer(
        config=SGD,
        description="stochastic gradient descent with momentum",
        slots=lambda params, config: {MOMENTUM: zeros(params)},
        momentum=lambda config: MOMENTUM,
        update=update,
    ),
)
