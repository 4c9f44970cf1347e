"""A box of every image comes from another one (Yun and others, "CutMix", ICCV 2019)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.augmentations._base import AUGMENTATIONS, Augmentation, partners
from regsearch.augmentations._beta import NUMBERS, symmetric_beta
from regsearch.augmentations._images import boxes, place
from regsearch.space import Kind


class Cutmix(Kind):
    """One box for a whole batch."""

    kind: Literal["cutmix"] = "cutmix"
    alpha: Annotated[
        float,
        Field(gt=0, description="the box's intended area is drawn from Beta(alpha, alpha)"),
    ] = 1.0
    probability: Annotated[
        float, Field(gt=0, le=1, description="share of the batches that are mixed")
    ] = 1.0


def mix(x: Tensor, u: Tensor, config: Cutmix) -> tuple[Tensor, Tensor]:
    r"""Paste a box of the partner into each image; the share is the exact area that is kept.

    The box has the image's proportions and, before the part of it that lies outside is cut off,
    the area :math:`1 - \lambda` with :math:`\lambda` of Beta(alpha, alpha); its centre is anywhere.
    """
    high, wide = x.shape[-2:]
    mixed, across, down, of_beta = u[:, 0], u[:, 1], u[:, 2], u[:, 3:]
    side = (1 - symmetric_beta(of_beta, config.alpha)).sqrt() * (mixed < config.probability)
    ends = []
    for centre, length in ((place(down, high), high), (place(across, wide), wide)):
        half = (side * length / 2).long()
        ends += [(centre - half).clamp_min(0), (centre + half).clamp_max(length)]
    top, bottom, left, right = ends
    inside = boxes(top, bottom, left, right, x.shape)[:, None, None]
    share = 1 - ((bottom - top) * (right - left)).to(u.dtype) / (high * wide)
    return torch.where(inside, partners(x), x), share


AUGMENTATIONS.add(
    "cutmix",
    Augmentation(
        Cutmix,
        "a box of each image from another one, targets by area",
        numbers=3 + NUMBERS,
        mix=mix,
    ),
)
