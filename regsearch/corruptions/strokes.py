"""Stripes, and lines that are drawn over digits."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from regsearch.corruptions._base import CORRUPTIONS, Corruption, Images
from regsearch.corruptions._filters import grid

FADE = 2.3
"""Where a line has faded, in pixels above or below it, but for the cut at 0."""

START, END, TOOTH = 2.0, 25.0, 2.0
"""Columns between which a zigzag runs, and half the length and the height of its teeth."""


def stripe(images: Images, share: float) -> Tensor:
    """Negative in a ``share`` of the columns at either side."""
    width = images.x.shape[3]
    column, band = torch.arange(width), round(width * share)
    outside = (column < band) | (column >= width - band)
    return torch.where(outside, 1 - images.x, images.x)


def dotted_line(images: Images, dash: float) -> Tensor:
    """From any height on the left to any on the right, in dashes as long as the gaps."""
    left, right = (images.integers(end, 0, 27).float() for end in ("left", "right"))
    start = torch.zeros_like(left)
    line = stroke(images, start, left, start + 27, right)
    column = _published(images)[1]
    return images.x + torch.where((column / dash).floor() % 2 == 0, 0, line)


def zigzag(images: Images, tooth: float) -> Tensor:
    """A row of teeth along a slightly slanted line."""
    corners = zigzag_corners(images, tooth)
    x = images.x
    for begin, end in pairwise(corners):
        x = (x + stroke(images, *begin, *end)).clamp(0, 1)
    return x


def zigzag_corners(images: Images, tooth: float) -> list[tuple[Tensor, Tensor]]:
    """Column and row of each corner, ``[N]``, in pixels of the benchmark's images."""
    row = images.integers("row", 0, 27).float()
    slope = images.integers("slope", -5, 5) / (END - START)
    cosine = (1 + slope**2).rsqrt()
    length = (END - START) / cosine
    along = [torch.zeros_like(row)] + [
        torch.full_like(row, (2 * number + 1) * tooth) for number in range(6)
    ]
    across = [torch.zeros_like(row)] + [
        torch.full_like(row, (-1) ** number * tooth) for number in range(6)
    ]
    rest = length - 2 * tooth * (length / (2 * tooth)).floor()
    along.append(length)
    across.append(across[-1] / (2 * rest))
    return [
        (START + cosine * (a - slope * b), row + cosine * (slope * a + b))
        for a, b in zip(along, across, strict=True)
    ]


def stroke(
    images: Images, column: Tensor, row: Tensor, to_column: Tensor, to_row: Tensor
) -> Tensor:
    """A line that fades above and below, ``[N, 1, H, W]``; ends are ``[N]``.

    At a vertical distance of d pixels it is :math:`1 + log(1 - d / 2.3)`, at least 0.
    """
    x0, y0, x1, y1 = (end[:, None, None] for end in (column, row, to_column, to_row))
    rows, columns = _published(images)
    distance = (rows - y0 - (y1 - y0) / (x1 - x0) * (columns - x0)).abs()
    shade = (1 + (1 - distance / FADE).clamp_min(1e-10).log()).clamp(0, 1)
    drawn = (columns >= x0.floor()) & (columns < x1.ceil())
    return (shade * drawn)[:, None]


def _published(images: Images) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel, in pixels of the benchmark's images."""
    rows, columns = ((place + 0.5) / images.unit - 0.5 for place in grid(images.x))
    return rows, columns


CORRUPTIONS.add("stripe", Corruption("negative at both sides", stripe, {"mnist_c": [0.25]}))
CORRUPTIONS.add("dotted_line", Corruption("a dotted line across", dotted_line, {"mnist_c": [2.0]}))
CORRUPTIONS.add("zigzag", Corruption("a zigzag line across", zigzag, {"mnist_c": [TOOTH]}))
