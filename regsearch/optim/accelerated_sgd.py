"""Accelerated SGD, as the released ``AccSGD`` of its authors.

Kidambi and others, "On the insufficiency of existing momentum schemes for stochastic optimization",
2018.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from regsearch.cells import Tree, per_run
from regsearch.optim._base import OPTIMIZERS, Optimizer, Slots
from regsearch.space import Kind, Real

AVERAGE = "average"


class AcceleratedSGD(Kind):
    """Couples short steps with an average of long ones."""

    kind: Literal["accelerated_sgd"] = "accelerated_sgd"
    lr: Annotated[Real, Field(gt=0, description="learning rate of the short steps")] = 0.1
    kappa: Annotated[
        Real, Field(ge=1, description="long over short step, times c: about the condition number")
    ] = 1000.0
    xi: Annotated[
        Real, Field(ge=1, description="statistical advantage, at most the root of kappa")
    ] = 10.0
    c: Annotated[Real, Field(gt=0, le=1, description="the paper's small constant")] = 0.7

    @model_validator(mode="after")
    def _advantage_is_possible(self) -> Self:
        if self.xi > math.sqrt(self.kappa):
            raise ValueError(
                f"xi must be at most the square root of kappa, {math.sqrt(self.kappa):g}, "
                f"got {self.xi:g}; lower xi or raise kappa"
            )
        return self


def update(
    params: Tree,
    grads: Tree,
    slots: Slots,
    step: Tensor,
    hp: dict[str, Tensor],
    config: AcceleratedSGD,
) -> tuple[Tree, Slots]:
    r"""One step of every run.

    .. math::
        \beta = c^2 \xi / \kappa, \quad \zeta = c / (c + \beta), \quad
        v \leftarrow (1-\beta) v + \beta \Big(w - \frac{\eta\kappa}{c} g\Big), \quad
        w \leftarrow \zeta (w - \eta g) + (1-\zeta) v
    """
    beta = hp["c"].square() * hp["xi"] / hp["kappa"]
    zeta = hp["c"] / (hp["c"] + beta)
    long = hp["lr"] * hp["kappa"] / hp["c"]
    moved, average = {}, {}
    for name, param in params.items():
        b, z, short, far = (per_run(v.to(param.dtype), param) for v in (beta, zeta, hp["lr"], long))
        average[name] = v = (1 - b) * slots[AVERAGE][name] + b * (param - far * grads[name])
        moved[name] = z * (param - short * grads[name]) + (1 - z) * v
    return moved, {AVERAGE: average}


OPTIMIZERS.add(
    "accelerated_sgd",
    Optimizer(
        config=AcceleratedSGD,
        description="short steps coupled with an average of long ones",
        slots=lambda params, config: {AVERAGE: {n: param.clone() for n, param in params.items()}},
        momentum=lambda config: None,  # the average is one of weights, not of steps
        update=update,
    ),
)
