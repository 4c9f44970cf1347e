"""Mixtures of two examples each (Zhang, Cisse, Dauphin and Lopez-Paz, "mixup", ICLR 2018)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.augmentations._base import AUGMENTATIONS, Augmentation, partners
from regsearch.augmentations._beta import NUMBERS, symmetric_beta
from regsearch.space import Kind


class Mixup(Kind):
    """Convex combinations; each batch has one share."""

    kind: Literal["mixup"] = "mixup"
    alpha: Annotated[
        float,
        Field(gt=0, description="the share is drawn from Beta(alpha, alpha); to 0: no mixing"),
    ] = 0.2


def mix(x: Tensor, u: Tensor, config: Mixup) -> tuple[Tensor, Tensor]:
    r""":math:`\lambda x + (1 - \lambda) x'` with the partner :math:`x'`, and :math:`\lambda`."""
    share = symmetric_beta(u, config.alpha)
    weight = share.to(x.dtype).view(-1, *[1] * (x.ndim - 1))
    return torch.lerp(partners(x), x, weight), share


AUGMENTATIONS.add(
    "mixup",
    Augmentation(
        Mixup,
        "mixtures of two examples and of their targets",
        numbers=NUMBERS,
        mix=mix,
        images=False,
    ),
)
