"""Half the squared error, the loss of linear theory."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from regsearch.losses._base import LOSSES, Loss
from regsearch.space import Kind


class SquaredError(Kind):
    """Half the squared distance to the target."""

    kind: Literal["squared_error"] = "squared_error"


def of(outputs: Tensor, targets: Tensor, hp: dict[str, Tensor], config: SquaredError) -> Tensor:
    r"""Mean over the batch of :math:`\tfrac12 \lVert f - t \rVert^2`.

    Targets are values ``[B, C]``, or classes ``[B]``, which stand for one-hot vectors. The sum
    over C outputs makes it C/2 times ``torch.nn.MSELoss``, which averages over them too.
    """
    if not targets.is_floating_point():
        classes = torch.arange(outputs.shape[-1], device=outputs.device)
        targets = (targets[:, None] == classes).to(outputs.dtype)
    return (outputs - targets).square().sum(-1).mean() / 2


LOSSES.add(
    "squared_error",
    Loss(
        config=SquaredError,
        description="half the squared distance to values, or to one-hot classes",
        accepts=("values", "classes"),
        of=of,
    ),
)
