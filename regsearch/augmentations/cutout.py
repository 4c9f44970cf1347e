"""A square of every image is painted over (DeVries and Taylor, 2017, arXiv:1708.04552)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.augmentations._base import AUGMENTATIONS, Augmentation
from regsearch.augmentations._images import Colours, Fill, boxes, place
from regsearch.space import Kind


class Cutout(Kind):
    """One square, its centre anywhere in the image, so that part of it may lie outside."""

    kind: Literal["cutout"] = "cutout"
    size: Annotated[
        int,
        Field(ge=1, description="side of the square, pixels; the papers have half the image's"),
    ]
    fill: Annotated[
        Fill, Field(description="its colour; mean: 0 in standardised data, as in the paper")
    ] = "mean"


def change(x: Tensor, u: Tensor, config: Cutout, colours: Colours) -> Tensor:
    """Paint over a square of each image.

    The released code cuts an odd ``size`` down to the next even one; here it is as asked.
    """
    high, wide = x.shape[2:]
    top, left = (
        place(u[:, axis], side) - config.size // 2 for axis, side in enumerate((high, wide))
    )
    inside = boxes(top, top + config.size, left, left + config.size, x.shape)
    return torch.where(inside[:, None], colours.of(config.fill), x)


def problems(config: Cutout, side: int) -> list[str]:
    """A square that can cover the whole image."""
    if config.size <= side:
        return []
    return [
        f"cutout paints over {config.size}x{config.size} pixels, and the images have a side of "
        f"{side}; write {side} or less"
    ]


AUGMENTATIONS.add(
    "cutout",
    Augmentation(
        Cutout, "a square of each image painted over", numbers=2, change=change, problems=problems
    ),
)
