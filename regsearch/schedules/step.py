"""A drop by the same factor every so many epochs, as ``torch.optim.lr_scheduler.StepLR``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from regsearch.schedules._base import SCHEDULES, Clock, Schedule, ScheduleConfig
from regsearch.space import Real


class Step(ScheduleConfig):
    """Drops at regular intervals."""

    kind: Literal["step"] = "step"
    step_size: Annotated[int, Field(ge=1, description="epochs from one drop to the next")]
    gamma: Annotated[Real, Field(gt=0, le=1, description="factor of each drop")] = 0.1


def rates(lr: Tensor, clock: Clock, hp: dict[str, Tensor], config: Step) -> Tensor:
    r""":math:`\eta\,\gamma^{\lfloor e / s \rfloor}` in epoch e, with ``step_size`` s."""
    return lr * hp["gamma"] ** (clock.epochs("epoch") / config.step_size).floor()


def problems(config: Step, epochs: float, lr: float) -> list[str]:
    """No drop, as training ends before the first."""
    if config.step_size < epochs:
        return []
    return [
        f"step_size {config.step_size} is never reached in the {epochs:g} epochs after warm-up; "
        "make it smaller, train for more epochs, or write kind: constant"
    ]


SCHEDULES.add(
    "step",
    Schedule(
        config=Step, description="a drop every so many epochs", rates=rates, problems=problems
    ),
)
