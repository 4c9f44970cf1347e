"""A random part of the image, enlarged to its size, as torchvision's ``RandomResizedCrop``.

The usual augmentation for ImageNet (Szegedy and others, "Going deeper with convolutions", 2015).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, Field
from torch import Tensor

from regsearch.augmentations._base import AUGMENTATIONS, Augmentation
from regsearch.augmentations._images import Colours, place
from regsearch.space import Kind

TRIES = 10
"""Sizes that are drawn until one fits into the image; torchvision's number."""


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"needs its first value not above its last, got {list(bounds)}")
    return bounds


class RandomResizedCrop(Kind):
    """A part of random area, shape and place; the data set's own size is that of the result."""

    kind: Literal["random_resized_crop"] = "random_resized_crop"
    scale: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]],
        Field(strict=False, description="smallest and largest area, as shares of the image's"),
        AfterValidator(_ordered),
    ] = (0.08, 1.0)
    ratio: Annotated[
        tuple[Annotated[float, Field(ge=0.01)], Annotated[float, Field(ge=0.01, le=100)]],
        Field(strict=False, description="smallest and largest width over height"),
        AfterValidator(_ordered),
    ] = (3 / 4, 4 / 3)


class Box(NamedTuple):
    """Whole pixels, ``[N]`` each."""

    top: Tensor
    left: Tensor
    high: Tensor
    wide: Tensor


def change(x: Tensor, u: Tensor, config: RandomResizedCrop, colours: Colours) -> Tensor:
    """Cut a part out of each image and enlarge it, bilinearly.

    A part is never larger than the image, so that antialiasing would change nothing.
    """
    high, wide = x.shape[2:]
    box = choose_boxes(u, config, high, wide)
    rows, columns = _sources(box.top, box.high, high), _sources(box.left, box.wide, wide)
    grid = torch.stack(
        [columns[:, None, :].expand(-1, high, -1), rows[:, :, None].expand(-1, -1, wide)], -1
    )
    return F.grid_sample(x, grid.to(x.dtype), padding_mode="border", align_corners=False)


def choose_boxes(u: Tensor, config: RandomResizedCrop, high: int, wide: int) -> Box:
    """One part of each image: the first size that fits, of area and shape drawn uniformly.

    Shapes are uniform in their logarithm. Where no size fits, the largest central part is taken
    whose shape is within ``ratio``.
    """
    areas, shapes = u[:, :TRIES], u[:, TRIES : 2 * TRIES]
    least, most = config.scale
    area = high * wide * (least + (most - least) * areas)
    low, top = (math.log(bound) for bound in config.ratio)
    ratio = (low + (top - low) * shapes).exp()
    size = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()], -1).round().long()
    fits = ((size > 0) & (size <= torch.tensor([high, wide], device=u.device))).all(-1)
    first = fits.int().argmax(1)
    chosen = size[torch.arange(len(u), device=u.device), first]
    central = torch.tensor(_central(config, high, wide), device=u.device)
    found = fits.any(1)
    h, w = torch.where(found[:, None], chosen, central).unbind(1)
    free = torch.stack([high - h, wide - w], 1)
    corner = torch.where(found[:, None], place(u[:, -2:], free + 1), free // 2)
    return Box(corner[:, 0], corner[:, 1], h, w)


def _central(config: RandomResizedCrop, high: int, wide: int) -> tuple[int, int]:
    least, most = config.ratio
    if wide / high < least:
        return max(round(wide / least), 1), wide
    return high, (max(round(high * most), 1) if wide / high > most else wide)


def _sources(first: Tensor, length: Tensor, side: int) -> Tensor:
    """Where each of ``side`` pixels comes from, ``[N, side]``, from -1 to 1 across the image."""
    pixels = torch.arange(side, device=first.device, dtype=torch.float64) + 0.5
    inside = (pixels * length[:, None] / side - 0.5).clamp_min(0)
    centre = first[:, None] + torch.minimum(inside, length[:, None] - 1)
    return (2 * centre + 1) / side - 1


AUGMENTATIONS.add(
    "random_resized_crop",
    Augmentation(
        RandomResizedCrop,
        "a random part, enlarged to the image's size",
        numbers=2 * TRIES + 2,
        change=change,
    ),
)
