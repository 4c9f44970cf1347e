"""Strokes and edges against loops over pixels and scipy's filters."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from regsearch.corruptions import Images
from regsearch.corruptions.edges import Canny, canny_edges
from regsearch.corruptions.strokes import dotted_line, stripe, zigzag, zigzag_corners

MakeImages = Callable[..., Images]
Picture = NDArray[np.float64]


@pytest.fixture
def black() -> Images:
    return Images(torch.zeros(12, 1, 28, 28), torch.arange(12), 1.0, "test", 1)


def line(x0: float, y0: float, x1: float, y1: float) -> Picture:
    """A line by its definition, pixel by pixel."""
    drawn = np.zeros((28, 28))
    for row in range(28):
        for column in range(math.floor(x0), min(28, math.ceil(x1))):
            away = abs(row - (y0 + (y1 - y0) / (x1 - x0) * (column - x0)))
            if away < 2.3:
                drawn[row, column] = max(0.0, math.log(1 - away / 2.3) + 1)
    return drawn


def test_stripes_are_quarters_at_either_side(make_images: MakeImages) -> None:
    x = make_images(2, 3, 28, 28).x
    known = x.clone()
    known[..., :7], known[..., 21:] = 1 - x[..., :7], 1 - x[..., 21:]
    striped = stripe(make_images(2, 3, 28, 28), 0.25)
    assert torch.equal(striped, known)


def test_a_dotted_line_has_dashes_of_two_columns(black: Images) -> None:
    ends = [black.integers(end, 0, 27).tolist() for end in ("left", "right")]
    for left, right, made in zip(*ends, dotted_line(black, 2.0), strict=True):
        known = line(0, left, 27, right)
        known[:, np.arange(28) // 2 % 2 == 0] = 0
        np.testing.assert_allclose(made[0].numpy(), known, atol=1e-4)


def test_a_zigzag_has_six_teeth_along_a_slanted_line(black: Images) -> None:
    rows, slopes = black.integers("row", 0, 27), black.integers("slope", -5, 5)
    assert len(set(slopes.tolist())) > 3
    corners = zigzag_corners(black, 2.0)
    made = zigzag(black, 2.0)
    for image in range(12):
        angle = math.atan2(float(slopes[image]), 23)
        length = 23 / math.cos(angle)
        along = [0.0, 2, 6, 10, 14, 18, 22, length]
        across = [0.0, 2, -2, 2, -2, 2, -2, -1 / (length - 20)]
        known, drawn = [], np.zeros((28, 28))
        for a, b in zip(along, across, strict=True):
            column = 2 + math.cos(angle) * a - math.sin(angle) * b
            known.append((column, float(rows[image]) + math.sin(angle) * a + math.cos(angle) * b))
        for begin, end in pairwise(known):
            drawn = np.minimum(drawn + line(*begin, *end), 1)
        found = [(float(column[image]), float(row[image])) for column, row in corners]
        np.testing.assert_allclose(found, known, atol=1e-4)
        np.testing.assert_allclose(made[image, 0].numpy(), drawn, atol=1e-3)


def test_strokes_scale_with_the_image() -> None:
    """Of the middle of every pixel, a line is the same on images twice as large."""
    small, large = (
        Images(torch.zeros(4, 1, side, side), torch.arange(4), side / 28, "test", 1)
        for side in (28, 84)
    )
    for corruption, size in ((dotted_line, 2.0), (zigzag, 2.0)):
        middles = corruption(large, size)[..., 1::3, 1::3]
        torch.testing.assert_close(corruption(small, size), middles, atol=1e-3, rtol=0)


def canny(x: Picture) -> NDArray[np.bool_]:
    """Canny's detector as one would write it, pixel by pixel."""

    def blurred(image: Picture) -> Picture:
        return ndimage.gaussian_filter(image, 1.0, mode="constant")

    smooth = blurred(x) / blurred(np.ones_like(x))
    down, right = ndimage.sobel(smooth, axis=0), ndimage.sobel(smooth, axis=1)
    steep = np.hypot(down, right)
    ridge = np.zeros(x.shape, bool)
    for row in range(1, x.shape[0] - 1):
        for column in range(1, x.shape[1] - 1):
            d, r, here = down[row, column], right[row, column], steep[row, column]
            if not here:
                continue
            along = np.array([d, r]) / max(abs(d), abs(r))  # to the ring of neighbours
            beside = ndimage.map_coordinates(
                steep, np.array([[row, column]]).T + along[:, None] * [[1, -1]], order=1
            )
            ridge[row, column] = bool((beside <= here + 1e-12).all())
    weak, strong = ridge & (steep >= 0.1), ridge & (steep >= 0.2)
    connected, count = ndimage.label(weak, np.ones((3, 3)))
    kept = np.unique(connected[strong])
    assert count >= len(kept)
    return np.isin(connected, kept[kept > 0])


def test_edges_are_cannys(make_images: MakeImages) -> None:
    x = make_images(3, 1, 28, 28).x
    disks = torch.stack([(x > 0.5).float(), (3 * x - 1).clamp(0, 1)]).flatten(0, 1)
    noise = torch.rand(disks.shape, generator=torch.Generator().manual_seed(1))
    pictures = (disks + 0.05 * noise).double()  # no two gradients are equal
    images = Images(pictures.float(), torch.arange(len(pictures)), 1.0, "test", 1)
    found = canny_edges(images, Canny())[:, 0].numpy() > 0
    known = np.stack([canny(picture[0].numpy()) for picture in pictures])
    assert 0.02 < known.mean() < 0.3
    assert (found != known).mean() < 1e-3, "but for rounding"


def test_colours_share_one_set_of_edges(make_images: MakeImages) -> None:
    made = canny_edges(make_images(2, 3, 28, 28), Canny())
    assert torch.equal(made[:, 0], made[:, 2])
    assert set(made.flatten().tolist()) <= {0.0, 1.0}
