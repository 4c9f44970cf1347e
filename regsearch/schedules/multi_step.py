"""A drop at each milestone, as ``torch.optim.lr_scheduler.MultiStepLR``."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from regsearch.schedules._base import SCHEDULES, Clock, Schedule, ScheduleConfig
from regsearch.space import Real


def _increasing(milestones: tuple[int, ...]) -> tuple[int, ...]:
    if list(milestones) != sorted(set(milestones)):
        raise ValueError(f"needs epochs in increasing order, got {list(milestones)}")
    return milestones


class MultiStep(ScheduleConfig):
    """Drops at given epochs."""

    kind: Literal["multi_step"] = "multi_step"
    milestones: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        Field(
            strict=False,
            min_length=1,
            description="epochs after which the rate drops, counted from the end of warm-up",
        ),
        AfterValidator(_increasing),
    ]
    gamma: Annotated[Real, Field(gt=0, le=1, description="factor of each drop")] = 0.1


def rates(lr: Tensor, clock: Clock, hp: dict[str, Tensor], config: MultiStep) -> Tensor:
    r""":math:`\eta\,\gamma^n` after n milestones."""
    milestones = torch.tensor(config.milestones, device=lr.device)
    return lr * hp["gamma"] ** (clock.epochs("epoch")[..., None] >= milestones).sum(-1)


def problems(config: MultiStep, epochs: float, lr: float) -> list[str]:
    """Milestones that training does not reach."""
    return [
        f"milestone {milestone} is never reached in the {epochs:g} epochs after warm-up; "
        "leave it out, or train for more epochs"
        for milestone in config.milestones
        if milestone >= epochs
    ]


SCHEDULES.add(
    "multi_step",
    Schedule(
        config=MultiStep, description="a drop at each milestone", rates=rates, problems=problems
    ),
)
