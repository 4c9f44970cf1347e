"""Light and colour: brighter, flatter, more or less colourful."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from regsearch.corruptions._base import CORRUPTIONS, Corruption, Images


class Saturation(NamedTuple):
    """A line that the saturation is put on."""

    factor: float
    offset: float


def brightness(images: Images, more: float) -> Tensor:
    """The value V of hue, saturation and value grows by ``more``, at most to 1."""
    x = images.x
    value = x.amax(1, keepdim=True)
    brighter = (value + more).clamp(max=1)
    return torch.where(value > 0, x * brighter / value.clamp_min(1e-12), brighter)


def contrast(images: Images, share: float) -> Tensor:
    """A ``share`` of each value's distance to the mean of its channel remains."""
    mean = images.x.mean((2, 3), keepdim=True)
    return mean + share * (images.x - mean)


def saturate(images: Images, line: Saturation) -> Tensor:
    """Saturation, the S of hue, saturation and value, moves along a line; grey counts as red."""
    x = images.x
    if x.shape[1] != 3:
        return x
    value, least = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    span = value - least
    red = x.new_tensor([0.0, 1.0, 1.0]).view(3, 1, 1)
    away = torch.where(span > 0, (value - x) / span.clamp_min(1e-12), red)
    saturation = (line.factor * span / value.clamp_min(1e-12) + line.offset).clamp(0, 1)
    return value * (1 - saturation * away)


CORRUPTIONS.add(
    "brightness",
    Corruption(
        "more light",
        brightness,
        {"mnist_c": [0.1, 0.2, 0.3, 0.4, 0.5], "cifar10_c": [0.05, 0.1, 0.15, 0.2, 0.3]},
    ),
)
CORRUPTIONS.add(
    "contrast",
    Corruption("less contrast", contrast, {"cifar10_c": [0.75, 0.5, 0.4, 0.3, 0.15]}),
)
CORRUPTIONS.add(
    "saturate",
    Corruption(
        "less or more colour",
        saturate,
        {
            "cifar10_c": [
                Saturation(0.3, 0),
                Saturation(0.1, 0),
                Saturation(1.5, 0),
                Saturation(2, 0.1),
                Saturation(2.5, 0.2),
            ]
        },
    ),
)
