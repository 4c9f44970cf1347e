"""Sigmoid annealing (Nakamura and Hong, "Adaptive Weight Decay for Deep Neural Networks", 2019).

The paper gives the two ends, 0.1 and 0.001, and the word; steepness and normalisation are ours.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.schedules._base import SCHEDULES, Clock, Gradual, Schedule, rising
from regsearch.space import Real


class Sigmoid(Gradual):
    """Stays near the first rate, crosses in the middle, ends near the last."""

    kind: Literal["sigmoid"] = "sigmoid"
    end: Annotated[Real, Field(gt=0, description="learning rate at the end of training")]
    steepness: Annotated[
        Real, Field(gt=0, description="to 0: a straight line; large: one drop in the middle")
    ] = 10.0
    normalized: Annotated[
        bool, Field(description="stretch the curve so that it starts and ends exactly at the rates")
    ] = True
    log: Annotated[bool, Field(description="draw the curve in the logarithm of the rate")] = False


def rates(lr: Tensor, clock: Clock, hp: dict[str, Tensor], config: Sigmoid) -> Tensor:
    r"""The rate after a share s of the way from the first rate to the last, with steepness k.

    .. math::
        z(s) = \frac{1}{1 + e^{k (s - 1/2)}}, \qquad u = \frac{z(s) - z(1)}{z(0) - z(1)},
        \qquad \eta_s = u\,\eta_{\text{start}} + (1 - u)\,\eta_{\text{end}}

    Not ``normalized``: u = z. ``log``: the same mean of the logarithms of the rates.
    """
    share = _share(hp["steepness"], clock.passed(config.every), config.normalized)
    if config.log:
        return lr**share * hp["end"] ** (1 - share)
    return torch.lerp(hp["end"], lr, share)


def _share(steepness: Tensor, passed: Tensor, normalized: bool) -> Tensor:
    """u, in the form of hyperbolic tangents: it is exact at both ends and in the middle."""
    wave = torch.tanh(steepness / 2 * (0.5 - passed))
    return (1 + (wave / torch.tanh(steepness / 4) if normalized else wave)) / 2


def problems(config: Sigmoid, epochs: float, lr: float) -> list[str]:
    """A rate that would rise."""
    return rising("end", config.end, lr)


SCHEDULES.add(
    "sigmoid",
    Schedule(
        config=Sigmoid,
        description="a logistic curve from lr to end",
        rates=rates,
        problems=problems,
    ),
)
