"""Generalized cross entropy for noisy labels (Zhang and Sabuncu, NeurIPS 2018), not truncated."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import log_softmax

from regsearch.losses._base import LOSSES, Loss
from regsearch.space import Kind, Real


class GeneralizedCrossEntropy(Kind):
    """Cross entropy that listens less to examples whose label is improbable."""

    kind: Literal["generalized_cross_entropy"] = "generalized_cross_entropy"
    q: Annotated[
        Real, Field(ge=0, le=1, description="0: cross entropy; 1: half the absolute error, 1 - p")
    ] = 0.7


def of(
    outputs: Tensor, targets: Tensor, hp: dict[str, Tensor], config: GeneralizedCrossEntropy
) -> Tensor:
    r""":math:`L_q` of logits ``[B, C]`` and classes ``[B]``.

    .. math::
        L_q = \frac{1 - p_y^q}{q} = -\frac{\operatorname{expm1}(q \log p_y)}{q},
        \qquad \nabla L_q = p_y^q \, \nabla(-\log p_y)

    The second form keeps its digits as q goes to 0, where the limit is cross entropy, and needs no
    floor under p, which would silence the examples that are most wrong. q = 0 itself is computed
    at a q too small to tell apart.
    """
    q = hp["q"].clamp_min(torch.finfo(outputs.dtype).tiny ** 0.5)
    power = q * log_softmax(outputs, -1).gather(-1, targets[:, None])
    # torch derives expm1 from its value, which has no digits left of a small exponential
    fall = torch.where(power > -1, torch.expm1(power), torch.exp(power) - 1)
    return -(fall / q).mean()


LOSSES.add(
    "generalized_cross_entropy",
    Loss(
        config=GeneralizedCrossEntropy,
        description="between cross entropy and absolute error, for noisy labels",
        accepts=("classes",),
        of=of,
    ),
)
