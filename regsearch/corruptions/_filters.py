"""Filters and samplings that corruptions share; images are ``[N, C, H, W]``."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Edge = Literal["zero", "nearest", "symmetric", "mirror"]
"""What lies beyond an image: nothing, its last pixel, or the image turned over with that pixel
twice (symmetric) or once (mirror)."""


def smooth(x: Tensor, sigma: float, edge: Edge = "nearest", truncate: float = 4.0) -> Tensor:
    """Gaussian blur; the kernel ends after ``truncate`` deviations, rounded to whole pixels."""
    across = _smoothing(x.shape[-1], sigma, edge, truncate)
    return smooth_upright(x, sigma, edge, truncate) @ across.T


def smooth_upright(
    x: Tensor, sigma: float, edge: Edge = "nearest", truncate: float = 4.0
) -> Tensor:
    """Gaussian blur up and down alone: every column by itself."""
    return _smoothing(x.shape[-2], sigma, edge, truncate) @ x


def _smoothing(side: int, sigma: float, edge: Edge, truncate: float) -> Tensor:
    """The blur of one axis as a matrix, ``[side, side]``."""
    radius = int(truncate * sigma + 0.5)
    if not radius:
        return torch.eye(side)
    offset = torch.arange(-radius, radius + 1)
    weight = (-0.5 * (offset.double() / sigma) ** 2).exp()
    place = torch.arange(side)[:, None] + offset
    weights = (weight / weight.sum()).float().expand(side, -1)
    if edge == "zero":
        weights = weights * ((place >= 0) & (place < side))
    return torch.zeros(side, side).scatter_add_(1, within(place, side, edge), weights)


def within(place: Tensor, side: int, edge: Edge) -> Tensor:
    """The pixel from 0 to ``side - 1`` that is seen at each ``place``."""
    if edge in ("zero", "nearest"):
        return place.clamp(0, side - 1)
    period = 2 * side if edge == "symmetric" else max(1, 2 * side - 2)
    turned = place % period
    return torch.minimum(turned, (period - 1 if edge == "symmetric" else period) - turned)


def drag(x: Tensor, angle: Tensor, radius: float, sigma: float) -> Tensor:
    """Motion blur as ImageMagick has it: the right half of a Gaussian along a line of whole pixels.

    Args:
        x: images.
        angle: of the line in each, clockwise from the right, in degrees, ``[N]``.
        radius: the line is ``2 ceil(radius) + 1`` pixels long; those below 1e-5 are left out.
        sigma: of the Gaussian, in pixels.
    """
    length = min(2 * math.ceil(radius) + 1, math.ceil(5 * sigma) + 1)
    step = torch.arange(length)
    weight = (-0.5 * (step / sigma) ** 2).exp()
    down, right = (
        (step[:, None] * part(angle.deg2rad()) - 0.5).ceil().long()
        for part in (torch.sin, torch.cos)
    )
    blurred = torch.zeros_like(x)
    for share, dy, dx in zip(weight / weight.sum(), down, right, strict=True):
        blurred += share * _shifted(x, dy, dx)
    return blurred


def _shifted(x: Tensor, dy: Tensor, dx: Tensor) -> Tensor:
    """Each image moved up by ``dy`` and left by ``dx`` pixels, ``[N]``; edges are repeated."""
    _, channels, height, width = x.shape
    rows = (torch.arange(height) + dy[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width) + dx[:, None]).clamp(0, width - 1)
    pixel = (rows[:, :, None] * width + columns[:, None]).flatten(1)
    return x.flatten(2).gather(2, pixel[:, None].expand(-1, channels, -1)).view_as(x)


def zoom(x: Tensor, factor: float) -> Tensor:
    """The middle of the images, enlarged to their size; what is cut off are whole pixels."""
    sides = x.shape[-2:]
    kept = [math.ceil(side / factor) for side in sides]
    inner = _middle(x, kept)
    size = [round(side * factor) for side in kept]
    return _middle(F.interpolate(inner, size, mode="bilinear", align_corners=True), sides)


def _middle(x: Tensor, sides: list[int] | torch.Size) -> Tensor:
    top, left = ((whole - part) // 2 for whole, part in zip(x.shape[-2:], sides, strict=True))
    return x[..., top : top + sides[0], left : left + sides[1]]


def grid(x: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel, ``[H, W]`` each, float32."""
    height, width = x.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=x.dtype), torch.arange(width, dtype=x.dtype), indexing="ij"
    )
    return rows, columns


def sample_at(x: Tensor, rows: Tensor, columns: Tensor, edge: Edge) -> Tensor:
    """Images at other places, ``[N, H, W]`` each, in pixels; bilinear between them."""
    height, width = x.shape[-2:]
    corners = edge != "symmetric"  # whether a turn is at a pixel's centre, and not at its edge
    scaled = [
        2 * place / max(1, side - 1) - 1 if corners else (2 * place + 1) / side - 1
        for place, side in ((columns, width), (rows, height))
    ]
    padding = {"zero": "zeros", "nearest": "border"}.get(edge, "reflection")
    where = torch.stack(scaled, -1).expand(len(x), -1, -1, -1)
    return F.grid_sample(x, where, padding_mode=padding, align_corners=corners)
