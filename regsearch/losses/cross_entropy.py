"""Cross entropy with smoothed labels (Szegedy and others, 2016, section 7)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import log_softmax

from regsearch.losses._base import LOSSES, Loss
from regsearch.space import Kind, Real


class CrossEntropy(Kind):
    """The negative log-probability of the label."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: Annotated[
        Real, Field(ge=0, le=1, description="share of each label that is spread over all classes")
    ] = 0.0


def of(outputs: Tensor, targets: Tensor, hp: dict[str, Tensor], config: CrossEntropy) -> Tensor:
    r"""Cross entropy of logits ``[B, C]`` and classes ``[B]``, as ``torch.nn.CrossEntropyLoss``.

    .. math:: -(1-\epsilon) \log p_y - \frac{\epsilon}{C} \sum_c \log p_c
    """
    log_p = log_softmax(outputs, -1)
    of_label = log_p.gather(-1, targets[:, None])  # faster than nll_loss under vmap
    return -torch.lerp(of_label.mean(), log_p.mean(), hp["label_smoothing"])


LOSSES.add(
    "cross_entropy",
    Loss(
        config=CrossEntropy,
        description="negative log-probability of the label, which may be smoothed",
        accepts=("classes",),
        of=of,
    ),
)
