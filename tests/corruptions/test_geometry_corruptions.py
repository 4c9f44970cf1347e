"""Moved images against scipy's resampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from regsearch.corruptions import Images
from regsearch.corruptions._filters import Edge, grid, sample_at
from regsearch.corruptions.geometry import (
    Elastic,
    elastic_transform,
    moved_corners,
    rotate,
    scale,
    shear,
    translate,
)

MakeImages = Callable[..., Images]


def by_scipy(images: Images, matrices: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Each image by its matrix of (row, column), about the middle; black beyond."""
    middle = (np.array(images.x.shape[2:]) - 1) / 2
    return np.stack(
        [
            ndimage.affine_transform(
                x[0].numpy(), matrix, middle - matrix @ middle, order=1, mode="grid-constant"
            )
            for x, matrix in zip(images.x.double(), matrices, strict=True)
        ]
    )


@pytest.mark.parametrize("angle", [0.4, 1.0])
def test_turned_slanted_and_shrunk_images_are_scipys(angle: float, make_images: MakeImages) -> None:
    images = make_images(4, 1, 28, 28)
    signs = images.signs("side").tolist()
    assert len(set(signs)) == 2
    cos, sin = np.cos(angle), np.sin(angle)
    turned = [np.array([[cos, sign * sin], [-sign * sin, cos]]) for sign in signs]
    slanted = [np.array([[cos, 0], [-sign * sin, 1]]) for sign in signs]
    for made, known in (
        (rotate(images, angle), by_scipy(images, turned)),
        (shear(images, angle), by_scipy(images, slanted)),
        (scale(images, 0.7), by_scipy(images, [np.eye(2) / 0.7] * 4)),
    ):
        np.testing.assert_allclose(made[:, 0].numpy(), known, atol=1e-5)


def test_translation_moves_by_whole_pixels_of_the_benchmark(make_images: MakeImages) -> None:
    images = make_images(12, 1, 28, 28)
    down, right = (images.signs(way).int().tolist() for way in ("down", "right"))
    assert len(set(zip(down, right, strict=True))) == 4
    for x, moved, dy, dx in zip(images.x, translate(images, 3), down, right, strict=True):
        known = torch.zeros(28 + 6, 28 + 6)
        known[3:-3, 3:-3] = x[0]
        known = known[3 + 3 * dy : 31 + 3 * dy, 3 + 3 * dx : 31 + 3 * dx]
        torch.testing.assert_close(moved[0], known, atol=1e-5, rtol=0)


def test_what_does_not_move_is_the_same(make_images: MakeImages) -> None:
    images = make_images(3, 3, 9, 11)
    for same in (
        rotate(images, 0.0),
        shear(images, 0.0),
        scale(images, 1.0),
        translate(images, 0.0),
        elastic_transform(images, Elastic(0, 0, 0)),
    ):
        torch.testing.assert_close(same, images.x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("edge", "mode"), [("mirror", "mirror"), ("symmetric", "reflect")])
def test_sampling_beyond_the_edges_is_scipys(
    edge: Edge, mode: Any, make_images: MakeImages
) -> None:
    x = make_images(1, 1, 9, 12).x
    noise = 8 * torch.randn(2, 9, 12, generator=torch.Generator().manual_seed(0))
    rows, columns = (place + move for place, move in zip(grid(x), noise, strict=True))
    known = ndimage.map_coordinates(
        x[0, 0].double().numpy(), [rows.numpy(), columns.numpy()], order=1, mode=mode
    )
    np.testing.assert_allclose(sample_at(x, rows, columns, edge)[0, 0].numpy(), known, atol=1e-5)


def test_three_corners_come_from_where_they_were(make_images: MakeImages) -> None:
    images = make_images(5, 1, 32, 32)
    moves = 2 * images.uniform("corners", 3, 2) - 1
    for source, move in zip(moved_corners(images, 2.5), moves, strict=True):
        old = torch.tensor([[26.0, 26.0], [26.0, 6.0], [6.0, 6.0]])
        new = torch.cat([old + 2.5 * move, torch.ones(3, 1)], 1)
        torch.testing.assert_close(new @ source.T, old, atol=1e-4, rtol=0)


def test_elastic_images_are_scipys(make_images: MakeImages) -> None:
    images, elastic = make_images(3, 3, 32, 32), Elastic(0.08, 0.06, 0.0)
    noise = 2 * images.uniform("bends", 2, 32, 32).double().numpy() - 1
    made = elastic_transform(images, elastic).numpy()
    for x, bends, bent in zip(images.x.double().numpy(), noise, made, strict=True):
        smooth = [
            ndimage.gaussian_filter(one, 0.06 * 32, mode="reflect", truncate=3) * 0.08 * 32
            for one in bends
        ]
        rows, columns = np.mgrid[:32, :32] + np.stack(smooth)
        for channel in range(3):
            known = ndimage.map_coordinates(x[channel], [rows, columns], order=1, mode="reflect")
            np.testing.assert_allclose(bent[channel], known, atol=1e-5)
