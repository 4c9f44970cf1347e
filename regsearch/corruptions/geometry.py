"""Images that are moved, turned, shrunk, slanted and bent."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from regsearch.corruptions._base import CORRUPTIONS, Corruption, Images
from regsearch.corruptions._filters import Edge, grid, sample_at, smooth


class Elastic(NamedTuple):
    """How far three corners and every pixel may move, as shares of the benchmark's side."""

    bend: float
    smoothness: float  # deviation of the Gaussian that smooths the bends
    corners: float


def shear(images: Images, angle: float) -> Tensor:
    """Columns lean to either side by ``angle``, in radians; rows shrink by its cosine.

    As scikit-image's affine transform was when MNIST-C was made.
    """
    angles = angle * images.signs("side")
    zero = torch.zeros_like(angles)
    return _about_the_middle(images, [zero + 1, -angles.sin(), zero, angles.cos()])


def rotate(images: Images, angle: float) -> Tensor:
    """Turned by ``angle``, in radians, to either side."""
    angles = angle * images.signs("side")
    return _about_the_middle(images, [angles.cos(), -angles.sin(), angles.sin(), angles.cos()])


def scale(images: Images, share: float) -> Tensor:
    """Shrunk to a ``share`` of the size."""
    one, zero = torch.ones(len(images.x)) / share, torch.zeros(len(images.x))
    return _about_the_middle(images, [one, zero, zero, one])


def translate(images: Images, distance: float) -> Tensor:
    """Moved by so many pixels, left or right, and up or down."""
    rows, columns = grid(images.x)
    away = distance * images.unit
    down, right = (away * images.signs(way)[:, None, None] for way in ("down", "right"))
    return sample_at(images.x, rows + down, columns + right, "zero")


def _about_the_middle(images: Images, matrix: list[Tensor]) -> Tensor:
    """What each pixel shows lies at a 2 by 2 ``matrix`` times its place from the middle.

    The matrix is of horizontal and vertical places, in this order, row by row, ``[N]`` each.
    """
    rows, columns = grid(images.x)
    middle = [(side - 1) / 2 for side in images.x.shape[2:]]
    y, x = rows - middle[0], columns - middle[1]
    a, b, c, d = (entry[:, None, None] for entry in matrix)
    return sample_at(images.x, c * x + d * y + middle[0], a * x + b * y + middle[1], "zero")


def elastic_transform(images: Images, elastic: Elastic) -> Tensor:
    """Three points of the image move, and then every pixel does, smoothly; edges are mirrored."""
    x = images.x
    side = min(x.shape[2:])
    rows, columns = grid(x)
    source = moved_corners(images, side * elastic.corners)
    places = torch.stack([columns, rows, torch.ones_like(rows)]).flatten(1)
    from_column, from_row = (source @ places).view(-1, 2, *rows.shape).unbind(1)
    x = sample_at(x, from_row, from_column, "mirror")
    if not elastic.bend:
        return x
    edge: Edge = "symmetric"
    noise = 2 * images.uniform("bends", 2, *x.shape[2:]) - 1
    bends = smooth(noise, side * elastic.smoothness, edge, truncate=3) * side * elastic.bend
    return sample_at(x, rows + bends[:, 0], columns + bends[:, 1], edge)


def moved_corners(images: Images, far: float) -> Tensor:
    """The affine map from places to where they come from, ``[N, 2, 3]``, of (column, row, 1).

    It takes three corners of a square in the middle, each moved by up to ``far`` pixels along
    either axis, back to where they were.
    """
    height, width = images.x.shape[2:]
    reach = min(height, width) // 3
    middle = torch.tensor([height // 2, width // 2])
    ways = torch.tensor([[1, 1], [1, -1], [-1, -1]])
    old = (middle + reach * ways).to(images.x.dtype)
    new = old + far * (2 * images.uniform("corners", 3, 2) - 1)
    ones = torch.ones(len(new), 3, 1)
    return torch.linalg.solve(torch.cat([new, ones], 2), old.expand_as(new)).mT


CORRUPTIONS.add("shear", Corruption("slanted", shear, {"mnist_c": [0.2, 0.4, 0.6, 0.8, 1.0]}))
CORRUPTIONS.add("scale", Corruption("shrunk", scale, {"mnist_c": [0.9, 0.8, 0.7, 0.6, 0.5]}))
CORRUPTIONS.add("rotate", Corruption("turned", rotate, {"mnist_c": [0.2, 0.4, 0.6, 0.8, 1.0]}))
CORRUPTIONS.add("translate", Corruption("moved", translate, {"mnist_c": [1, 2, 3, 4, 5]}))
CORRUPTIONS.add(
    "elastic_transform",
    Corruption(
        "bent like rubber",
        elastic_transform,
        {
            "cifar10_c": [
                Elastic(0, 0, 0.08),
                Elastic(0.05, 0.2, 0.07),
                Elastic(0.08, 0.06, 0.06),
                Elastic(0.1, 0.04, 0.05),
                Elastic(0.1, 0.03, 0.03),
            ]
        },
    ),
)
