"""Noise, drawn for every channel of every pixel on its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from regsearch.corruptions._base import CORRUPTIONS, Corruption, Images

LEVELS = 256
"""Of a pixel that is a byte."""


def gaussian_noise(images: Images, deviation: float) -> Tensor:
    r""":math:`x + \sigma z` with z from N(0, 1)."""
    return images.x + deviation * images.normal("noise", *images.x.shape[1:])


def speckle_noise(images: Images, deviation: float) -> Tensor:
    r""":math:`x + \sigma x z` with z from N(0, 1)."""
    return images.x * (1 + deviation * images.normal("noise", *images.x.shape[1:]))


def impulse_noise(images: Images, share: float) -> Tensor:
    """A ``share`` of the values becomes 0 or 1 with equal chances."""
    shape = images.x.shape[1:]
    extreme = (images.uniform("salt", *shape) < 0.5).to(images.x.dtype)
    return torch.where(images.uniform("where", *shape) < share, extreme, images.x)


def shot_noise(images: Images, photons: float) -> Tensor:
    r""":math:`n / c` with n from a Poisson distribution of mean :math:`c x`; x as a byte."""
    level = images.x.mul(LEVELS - 1).round().long()
    return poisson(level, images.uniform("noise", *level.shape[1:]), photons) / photons


def poisson(level: Tensor, u: Tensor, photons: float) -> Tensor:
    r"""The smallest n of which the distribution function exceeds ``u``, of mean :math:`c l / 255`.

    The functions of all levels l lie one after the other in one rising table, so that one search
    finds every n.
    """
    most = math.ceil(photons + 12 * math.sqrt(photons) + 30)
    start = torch.arange(LEVELS, dtype=torch.float64)[:, None]
    n = torch.arange(1, most + 1, dtype=torch.float64).expand(LEVELS, -1)
    below = torch.special.gammaincc(n, (start * photons / (LEVELS - 1)).expand_as(n))
    sought = (level + u.double()).contiguous()
    return (
        torch.searchsorted((start + below).flatten(), sought, right=True) - level * most
    ).float()


CORRUPTIONS.add(
    "gaussian_noise",
    Corruption("Gaussian noise", gaussian_noise, {"cifar10_c": [0.04, 0.06, 0.08, 0.09, 0.10]}),
)
CORRUPTIONS.add(
    "shot_noise",
    Corruption(
        "Poisson noise of few photons",
        shot_noise,
        {"mnist_c": [60, 25, 12, 5, 3], "cifar10_c": [500, 250, 100, 75, 50]},
    ),
)
CORRUPTIONS.add(
    "impulse_noise",
    Corruption(
        "values that become 0 or 1",
        impulse_noise,
        {"mnist_c": [0.03, 0.06, 0.09, 0.17, 0.27], "cifar10_c": [0.01, 0.02, 0.03, 0.05, 0.07]},
    ),
)
CORRUPTIONS.add(
    "speckle_noise",
    Corruption(
        "noise in proportion to the value",
        speckle_noise,
        {"cifar10_c": [0.06, 0.1, 0.12, 0.16, 0.2]},
    ),
)
