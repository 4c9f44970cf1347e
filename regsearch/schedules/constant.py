"""One learning rate from the first step to the last."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from regsearch.schedules._base import SCHEDULES, Clock, Schedule, ScheduleConfig


class Constant(ScheduleConfig):
    """The optimizer's own learning rate throughout."""

    kind: Literal["constant"] = "constant"


def rates(lr: Tensor, clock: Clock, hp: dict[str, Tensor], config: Constant) -> Tensor:
    """The same rate for every step."""
    return lr.expand_as(clock.step)


SCHEDULES.add(
    "constant",
    Schedule(config=Constant, description="one learning rate throughout", rates=rates),
)
