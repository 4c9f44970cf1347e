"""Blur: out of focus, behind frosted glass, in motion, while zooming."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from regsearch.corruptions._base import CORRUPTIONS, Corruption, Images
from regsearch.corruptions._filters import drag, smooth, smooth_upright, within, zoom


class Disk(NamedTuple):
    """Of a lens out of focus."""

    radius: float
    softness: float  # deviation of the Gaussian, three pixels wide, that smooths its rim


class Glass(NamedTuple):
    """How frosted glass moves pixels."""

    sigma: float  # of the blur before and after
    reach: int  # a pixel moves from -reach to reach - 1 in each direction
    times: int
    share: float = 1.0  # of the pixels that move
    swaps: bool = True  # pixels change places; or else the one takes the other's colour
    upright: bool = False  # the blur is up and down alone


class Motion(NamedTuple):
    """A line in a random direction."""

    radius: float
    sigma: float


class Zoom(NamedTuple):
    """Magnifications from 1 to below ``end``."""

    end: float
    step: float


def gaussian_blur(images: Images, sigma: float) -> Tensor:
    """A Gaussian of this deviation; edges are repeated."""
    return smooth(images.x, sigma * images.unit)


def defocus_blur(images: Images, disk: Disk) -> Tensor:
    """The mean over a disk with a soft rim; edges are mirrored."""
    kernel = disk_kernel(disk.radius * images.unit, disk.softness)
    reach, channels = len(kernel) // 2, images.x.shape[1]
    padded = _mirrored(images.x, reach)
    return F.conv2d(padded, kernel.expand(channels, 1, -1, -1), groups=channels)


def disk_kernel(radius: float, softness: float) -> Tensor:
    """Weights of a disk of whole pixels, smoothed by a Gaussian of three by three, ``[S, S]``."""
    reach = math.ceil(radius) + 1
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    disk = (places[:, None] ** 2 + places**2 <= radius**2).double()
    near = (-0.5 * (torch.arange(-1, 2, dtype=torch.float64) / softness) ** 2).exp()
    near = near / near.sum()
    soft = F.conv2d(disk[None, None] / disk.sum(), torch.outer(near, near)[None, None], padding=1)
    return soft[0, 0].float()


def _mirrored(x: Tensor, reach: int) -> Tensor:
    rows, columns = (within(torch.arange(-reach, n + reach), n, "mirror") for n in x.shape[-2:])
    return x[:, :, rows][..., columns]


def glass_blur(images: Images, glass: Glass) -> Tensor:
    """Pixels change places with near ones, from the lower right on, between two blurs.

    MNIST-C took the columns of its grey images for channels, which are not blurred into each other.
    """
    sigma, blur = glass.sigma * images.unit, smooth_upright if glass.upright else smooth
    blurred = blur(images.x, sigma)
    source = shuffled(images, glass)
    channels = blurred.shape[1]
    moved = blurred.flatten(2).gather(2, source[:, None].expand(-1, channels, -1))
    return blur(moved.view_as(blurred), sigma)


def shuffled(images: Images, glass: Glass) -> Tensor:
    """Which pixel comes to each place, ``[N, H W]``.

    In colour the release overwrites a pixel by the other and loses it, where in grey it swaps them.
    """
    count, _, height, width = images.x.shape
    reach = max(1, round(glass.reach * images.unit))
    at = torch.arange(height * width)[:, None].repeat(1, count)  # [H W, N]: neighbours in memory
    each = torch.arange(count)
    for time in range(glass.times):
        jumps = images.integers(f"jumps {time}", -reach, reach, 2, height, width)
        moves = images.uniform(f"moves {time}", height, width) < glass.share
        jump = (jumps[:, 0] * width + jumps[:, 1]) * moves
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):  # one after the other, as they meet
                here = row * width + column
                there = here + jump[:, row, column]
                taken, left = at[there, each], at[here].clone()
                if glass.swaps:
                    at[there, each] = left
                at[here] = taken
    return at.T


def motion_blur(images: Images, motion: Motion) -> Tensor:
    """Along a line within 45 degrees of the horizontal."""
    angle = 90 * images.uniform("angle") - 45
    return drag(images.x, angle, motion.radius * images.unit, motion.sigma * images.unit)


def zoom_blur(images: Images, zooms: Zoom) -> Tensor:
    """The mean of the image and its magnifications, which crop whole pixels.

    Images much smaller than the benchmark's lose none at the weakest severities.
    """
    factors = np.arange(1, zooms.end, zooms.step).tolist()
    return (images.x + sum(zoom(images.x, factor) for factor in factors)) / (len(factors) + 1)


CORRUPTIONS.add(
    "gaussian_blur",
    Corruption("Gaussian blur", gaussian_blur, {"cifar10_c": [0.4, 0.6, 0.7, 0.8, 1.0]}),
)
CORRUPTIONS.add(
    "defocus_blur",
    Corruption(
        "out of focus",
        defocus_blur,
        {
            "cifar10_c": [
                Disk(0.3, 0.4),
                Disk(0.4, 0.5),
                Disk(0.5, 0.6),
                Disk(1.0, 0.2),
                Disk(1.5, 0.1),
            ]
        },
    ),
)
CORRUPTIONS.add(
    "glass_blur",
    Corruption(
        "behind frosted glass",
        glass_blur,
        {
            "mnist_c": [
                Glass(0.7, 1, 2, share=0.5, upright=True),
                Glass(0.9, 2, 1, share=0.5, upright=True),
                Glass(1.0, 2, 3, share=0.5, upright=True),
                Glass(1.1, 3, 2, share=0.5, upright=True),
                Glass(1.5, 4, 2, share=0.5, upright=True),
            ],
            "cifar10_c": [
                Glass(0.05, 1, 1, swaps=False),
                Glass(0.25, 1, 1, swaps=False),
                Glass(0.4, 1, 1, swaps=False),
                Glass(0.25, 1, 2, swaps=False),
                Glass(0.4, 1, 2, swaps=False),
            ],
        },
    ),
)
CORRUPTIONS.add(
    "motion_blur",
    Corruption(
        "blur along a line",
        motion_blur,
        {
            "mnist_c": [
                Motion(10, 3),
                Motion(15, 5),
                Motion(15, 8),
                Motion(15, 12),
                Motion(20, 15),
            ],
            "cifar10_c": [
                Motion(6, 1),
                Motion(6, 1.5),
                Motion(6, 2),
                Motion(8, 2),
                Motion(9, 2.5),
            ],
        },
    ),
)
CORRUPTIONS.add(
    "zoom_blur",
    Corruption(
        "blur of moving towards the image",
        zoom_blur,
        {"cifar10_c": [Zoom(end, 0.01) for end in (1.06, 1.11, 1.16, 1.21, 1.26)]},
    ),
)
