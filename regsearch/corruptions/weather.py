"""Fog, snow, and mud on the lens."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from regsearch.corruptions._base import CORRUPTIONS, Corruption, Images, luminance
from regsearch.corruptions._filters import drag, smooth, zoom

ROUGHNESS = 100.0
"""What a first height of the fog's landscape may differ by is the square of this."""


CACHED = 2**18
"""Heights that are drawn at a time, so that they stay near the processor."""


class Fog(NamedTuple):
    """How dense, and how smooth."""

    density: float
    decay: float  # of the roughness, at each halving of the distance
    side: int  # of the landscape, of which the image is one corner


class Snow(NamedTuple):
    """Flakes, and how they fall."""

    mean: float
    deviation: float
    size: float
    threshold: float  # darker flakes are left out
    radius: float  # of the motion
    sigma: float
    clear: float  # share of the image that stays as it was; the rest is whitened


class Mud(NamedTuple):
    """Drops where smoothed noise is above a threshold."""

    mean: float
    deviation: float
    size: float
    threshold: float
    rim: float  # deviation of the blur of the drops' outlines


def fog(images: Images, haze: Fog) -> Tensor:
    r""":math:`(x + d f) m / (m + d)` with the fog f in [0, 1] and the brightest value m of x."""
    height, width = images.x.shape[2:]
    least = 2 ** math.ceil(math.log2(max(height, width)))
    side = max(least, 2 ** round(math.log2(haze.side * images.unit)))
    size = max(1, CACHED // side**2)
    mists = [_mist(part, side, haze.decay) for part in images.parts(size)]
    mist = torch.cat(mists)[:, None]
    brightest = images.x.amax((1, 2, 3), keepdim=True)
    return (images.x + haze.density * mist) * brightest / (brightest + haze.density)


def _mist(images: Images, side: int, decay: float) -> Tensor:
    heights = landscape(images, side, decay)
    low, high = heights.amin((1, 2), keepdim=True), heights.amax((1, 2), keepdim=True)
    height, width = images.x.shape[2:]
    return ((heights - low) / (high - low))[:, :height, :width].clone()


def landscape(images: Images, side: int, decay: float) -> Tensor:
    """Heights by the diamond-square algorithm on a torus, ``[N, side, side]``.

    Each round puts a point in the middle of every square and one on the middle of every edge: the
    mean of its four neighbours and uniform noise, whose size falls by the square of ``decay``.
    """
    corners, rough = images.x.new_zeros(len(images.x), 1, 1), ROUGHNESS
    while corners.shape[1] < side:
        n = corners.shape[1]
        noise = rough**2 * (2 * images.uniform(f"heights {n}", 3, n, n) - 1)
        right, below = corners.roll(-1, 2), corners.roll(-1, 1)
        squares = (corners + right + below + below.roll(-1, 2)) / 4 + noise[:, 0]
        across = (corners + right + squares + squares.roll(1, 1)) / 4 + noise[:, 1]
        down = (corners + below + squares + squares.roll(1, 2)) / 4 + noise[:, 2]
        upper, lower = torch.stack([corners, across], 3), torch.stack([down, squares], 3)
        corners = torch.stack([upper, lower], 2).view(-1, 2 * n, 2 * n)
        rough /= decay
    return corners


def snow(images: Images, fall: Snow) -> Tensor:
    """Flakes that fall steeply, once more turned upside down, on a whitened image."""
    x = images.x
    flakes = fall.mean + fall.deviation * images.normal("flakes", 1, *x.shape[2:])
    flakes = zoom(flakes, fall.size)
    flakes = torch.where(flakes < fall.threshold, 0, flakes).clamp(0, 1)
    angle = 90 * images.uniform("angle") - 135
    flakes = drag(flakes, angle, fall.radius * images.unit, fall.sigma * images.unit)
    white = torch.maximum(x, 1.5 * luminance(x) + 0.5)
    return fall.clear * x + (1 - fall.clear) * white + flakes + flakes.flip(2, 3)


def spatter(images: Images, mud: Mud) -> Tensor:
    """Dark grey drops."""
    x = images.x
    liquid = mud.mean + mud.deviation * images.normal("liquid", 1, *x.shape[2:])
    liquid = smooth(liquid, mud.size * images.unit)
    drops = smooth((liquid > mud.threshold).to(x.dtype), mud.rim * images.unit)
    drops = torch.where(drops < 0.8, 0, drops)
    return x * (1 - drops) + 63 / 255 * drops


CORRUPTIONS.add(
    "fog",
    Corruption(
        "fog of many scales",
        fog,
        {
            "mnist_c": [
                Fog(1.5, 2, 256),
                Fog(2, 2, 256),
                Fog(2.5, 1.7, 256),
                Fog(2.5, 1.5, 256),
                Fog(3, 1.4, 256),
            ],
            "cifar10_c": [
                Fog(0.2, 3, 32),
                Fog(0.5, 3, 32),
                Fog(0.75, 2.5, 32),
                Fog(1, 2, 32),
                Fog(1.5, 1.75, 32),
            ],
        },
    ),
)
CORRUPTIONS.add(
    "snow",
    Corruption(
        "falling snow",
        snow,
        {
            "cifar10_c": [
                Snow(0.1, 0.2, 1, 0.6, 8, 3, 0.95),
                Snow(0.1, 0.2, 1, 0.5, 10, 4, 0.9),
                Snow(0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
                Snow(0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
                Snow(0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
            ]
        },
    ),
)
CORRUPTIONS.add(
    "spatter",
    Corruption(
        "drops of mud",
        spatter,
        {
            "mnist_c": [
                Mud(0.65, 0.3, 4, 0.69, 0.6),
                Mud(0.65, 0.3, 3, 0.68, 0.6),
                Mud(0.65, 0.3, 2, 0.68, 0.5),
                Mud(0.65, 0.3, 1, 0.65, 1.5),
                Mud(0.67, 0.4, 1, 0.65, 1.5),
            ]
        },
    ),
)
