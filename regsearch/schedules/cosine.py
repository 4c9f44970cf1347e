"""Half a cosine without restarts (Loshchilov and Hutter, 2017, equation 5)."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.schedules._base import SCHEDULES, Clock, Gradual, Schedule, rising
from regsearch.space import Real


class Cosine(Gradual):
    """Falls slowly, then fast, then slowly."""

    kind: Literal["cosine"] = "cosine"
    eta_min: Annotated[Real, Field(ge=0, description="rate that the end approaches")] = 0.0


def rates(lr: Tensor, clock: Clock, hp: dict[str, Tensor], config: Cosine) -> Tensor:
    r"""The rate after e of E epochs, with ``eta_min`` :math:`\eta_0`.

    .. math:: \eta_0 + (\eta - \eta_0) \, \frac{1 + \cos(\pi e / E)}{2}

    As ``torch.optim.lr_scheduler.CosineAnnealingLR`` with ``T_max`` = E: the last epoch is still
    a little above ``eta_min``.
    """
    share = (1 + torch.cos(math.pi * clock.epochs(config.every) / clock.length())) / 2
    return torch.lerp(hp["eta_min"], lr, share)


def problems(config: Cosine, epochs: float, lr: float) -> list[str]:
    """A rate that would rise."""
    return rising("eta_min", config.eta_min, lr)


SCHEDULES.add(
    "cosine",
    Schedule(
        config=Cosine, description="half a cosine down to eta_min", rates=rates, problems=problems
    ),
)
