"""The learning rate of every step: warm-up, then the schedule."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regsearch.schedules import SCHEDULES, Clock, ScheduleConfig
from regsearch.schedules.constant import Constant
from regsearch.train.hyper import stack_reals
from regsearch.train.task import Task


class Rates:
    """Learning rates of the runs of a pack, made afresh for each epoch."""

    def __init__(self, tasks: Sequence[Task], device: torch.device) -> None:
        trains = [task.train for task in tasks]
        self._schedule, self._epochs = trains[0].schedule, trains[0].epochs
        self._lr = stack_reals([t.optimizer for t in trains], device, torch.float64)["lr"]
        self._hp = stack_reals([t.schedule for t in trains], device, torch.float64)
        self._constant = all(is_constant(t.schedule) for t in trains)

    def of_epoch(self, epoch: int, steps: int) -> Tensor | None:
        """Rates of the ``steps`` of ``epoch`` (from 0), ``[steps, K]`` float64.

        ``None``: they are the optimizer's own, as in every epoch.
        """
        if self._constant:
            return None
        return epoch_rates(self._schedule, self._lr, self._hp, self._epochs, steps, epoch)


def is_constant(config: ScheduleConfig) -> bool:
    """Whether the optimizer's own learning rate holds from the first step to the last."""
    return isinstance(config, Constant) and config.warmup == 0


def epoch_rates(
    config: ScheduleConfig,
    lr: Tensor,
    hp: dict[str, Tensor],
    epochs: int,
    steps: int,
    epoch: int,
) -> Tensor:
    r"""Learning rates of the steps of one epoch, ``[steps, K]`` float64.

    Step i (from 1) of W of warm-up has the rate :math:`\eta\,i / W`; the schedule's own time starts
    after. This is torch's ``LinearLR`` from 1/W over W - 1 steps, and then the schedule, joined by
    ``SequentialLR``. A warm-up is rounded to whole steps.

    Args:
        config: read for structure only.
        lr: the optimizer's own rate, ``[K]`` float64.
        hp: the real-valued fields of ``config``, ``[K]`` float64 each.
        epochs: of the whole training, warm-up included.
        steps: in one epoch.
        epoch: the one asked for, from 0.
    """
    first = epoch * steps
    step = torch.arange(first, first + steps, dtype=torch.float64, device=lr.device)[:, None]
    warmup = (hp["warmup"] * steps).round()
    clock = Clock((step - warmup).clamp_min(0), (epochs * steps - warmup).clamp_min(1), steps)
    scheduled = SCHEDULES[config.kind].rates(lr, clock, hp, config)
    return torch.where(step < warmup, lr * ((step + 1) / warmup), scheduled)
