"""A drop by the same factor each epoch, as ``torch.optim.lr_scheduler.ExponentialLR``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from regsearch.schedules._base import SCHEDULES, Clock, Gradual, Schedule
from regsearch.space import Real


class Exponential(Gradual):
    """Decays geometrically."""

    kind: Literal["exponential"] = "exponential"
    gamma: Annotated[Real, Field(gt=0, le=1, description="factor of one epoch")]


def rates(lr: Tensor, clock: Clock, hp: dict[str, Tensor], config: Exponential) -> Tensor:
    r""":math:`\eta\,\gamma^e` after e epochs, which may be fractional."""
    return lr * hp["gamma"] ** clock.epochs(config.every)


SCHEDULES.add(
    "exponential",
    Schedule(config=Exponential, description="the same factor each epoch", rates=rates),
)
