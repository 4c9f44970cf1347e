"""Images of which only the edges are left."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from regsearch.corruptions._base import CORRUPTIONS, Corruption, Images, luminance
from regsearch.corruptions._filters import smooth


class Canny(NamedTuple):
    """Settings of the edge detector: scikit-image's own."""

    sigma: float = 1.0
    low: float = 0.1  # gradients of an edge that goes on
    high: float = 0.2  # and of its beginning


def canny_edges(images: Images, canny: Canny) -> Tensor:
    """White edges on black (Canny, 1986); of colours, those of their luminance.

    Gradients are the sums of Sobel's weights, on images that are smoothed as if they ended at
    their edges.
    """
    grey, sigma = luminance(images.x), canny.sigma * images.unit
    smoothed = smooth(grey, sigma, "zero") / smooth(torch.ones_like(grey[:1]), sigma, "zero")
    down, right = _gradients(smoothed)
    steep = torch.hypot(down, right)
    ridge = _is_ridge(steep, down, right)
    weak, edge = ridge & (steep >= canny.low), ridge & (steep >= canny.high)
    return _grown(edge, weak).to(grey.dtype).expand_as(images.x)


def _gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    sobel = x.new_tensor([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]])
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    found = F.conv2d(padded, torch.stack([sobel, sobel.T])[:, None])
    return found[:, :1], found[:, 1:]


def _is_ridge(steep: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Where no gradient along the gradient's direction is larger; never at the image's rim."""
    around = F.pad(steep, (1, 1, 1, 1))
    height, width = steep.shape[2:]

    def beside(dy: int, dx: int) -> Tensor:
        return around[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    vertical, falling = down.abs() >= right.abs(), down * right >= 0
    less, more = (pick(down.abs(), right.abs()) for pick in (torch.minimum, torch.maximum))
    share = less / more.clamp_min(1e-12)
    ridge = steep > 0
    for way in (1, -1):
        straight = torch.where(vertical, beside(way, 0), beside(0, way))
        rising = torch.where(vertical, beside(way, -way), beside(-way, way))
        slanted = torch.where(falling, beside(way, way), rising)
        ridge = ridge & (share * slanted + (1 - share) * straight <= steep)
    return F.pad(ridge[:, :, 1:-1, 1:-1], (1, 1, 1, 1))


def _grown(edge: Tensor, weak: Tensor) -> Tensor:
    """``edge`` and all of ``weak`` that hangs together with it, also over corners."""
    while True:
        near = F.max_pool2d(edge.float(), 3, stride=1, padding=1) > 0
        more = near & weak
        if torch.equal(more, edge):
            return edge
        edge = more


CORRUPTIONS.add("canny_edges", Corruption("only edges", canny_edges, {"mnist_c": [Canny()]}))
