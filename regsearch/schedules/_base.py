"""What a schedule is: how the learning rate changes while a run is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field
from torch import Tensor

from regsearch.registry import Registry
from regsearch.space import Kind, Real

Every = Literal["epoch", "step"]


class ScheduleConfig(Kind):
    """Settings that every schedule has."""

    warmup: Annotated[
        Real,
        Field(
            ge=0,
            description="epochs in which the rate grows linearly from 0; the schedule starts after",
        ),
    ] = 0.0


class Gradual(ScheduleConfig):
    """Settings of the schedules that have a rate for every moment, not only for whole epochs."""

    every: Annotated[Every, Field(description="how often the rate changes")] = "epoch"


class Clock(NamedTuple):
    """Some steps' place in the part of training that follows warm-up, in float64."""

    step: Tensor  # [S, K], from 0
    steps: Tensor  # [K], in all, at least 1
    per_epoch: int

    def epochs(self, every: Every) -> Tensor:
        """Epochs done before each step, ``[S, K]``: whole ones if the rate changes once in each."""
        return self._in_epochs(self.step, every)

    def length(self) -> Tensor:
        """Epochs in all, ``[K]``; a fraction after a warm-up of fractional length."""
        return self.steps / self.per_epoch

    def passed(self, every: Every) -> Tensor:
        """Share of the way from the first rate to the last, ``[S, K]``: exactly 0 and 1 there.

        It is 0 where there is one rate only.
        """
        last = self._in_epochs(self.steps - 1, every)
        return self.epochs(every) / last.clamp_min(1 / self.per_epoch)

    def _in_epochs(self, steps: Tensor, every: Every) -> Tensor:
        epochs = steps / self.per_epoch
        return epochs.floor() if every == "epoch" else epochs


def _no_problems(config: Any, epochs: float, lr: float) -> list[str]:
    return []


class Schedule(NamedTuple):
    """``rates(lr, clock, hp, config)`` are the learning rates of the clock's steps, ``[S, K]``.

    ``lr`` is the optimizer's own, ``[K]``; ``hp`` holds the real-valued fields of ``config``,
    ``[K]`` each; both are float64. ``problems(config, epochs, lr)`` says what cannot happen in the
    ``epochs`` that follow warm-up, and what would raise the rate above the optimizer's ``lr``.
    """

    config: type[ScheduleConfig]
    description: str
    rates: Callable[[Tensor, Clock, dict[str, Tensor], Any], Tensor]
    problems: Callable[[Any, float, float], list[str]] = _no_problems


SCHEDULES: Registry[Schedule] = Registry("schedule")


def problems(config: ScheduleConfig, epochs: int, lr: float) -> list[str]:
    """What of ``config`` cannot be in ``epochs`` of training from the rate ``lr``, in sentences."""
    left = epochs - config.warmup
    if left <= 0:
        return [
            f"a warm-up of {config.warmup:g} epochs leaves nothing of {epochs}; "
            "make it shorter, or train for more epochs"
        ]
    return SCHEDULES[config.kind].problems(config, left, lr)


def rising(name: str, last: float, lr: float) -> list[str]:
    """What is wrong where the field ``name``, the ``last`` rate, is above the optimizer's."""
    if last <= lr:
        return []
    return [
        f"{name} {last:g} is above the optimizer's lr {lr:g}, so the rate would rise; "
        "write one that is not"
    ]
