"""Blurs against scipy's filters and against loops over pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from regsearch.corruptions import CORRUPTIONS, Images
from regsearch.corruptions._filters import Edge, drag, smooth, zoom
from regsearch.corruptions.blur import (
    Disk,
    Glass,
    Zoom,
    defocus_blur,
    disk_kernel,
    gaussian_blur,
    glass_blur,
    shuffled,
    zoom_blur,
)

MakeImages = Callable[..., Images]
Picture = NDArray[Any]

SCIPY: dict[Edge, Any] = {
    "zero": "constant",
    "nearest": "nearest",
    "symmetric": "reflect",
    "mirror": "mirror",
}


@pytest.mark.parametrize("edge", SCIPY)
@pytest.mark.parametrize(("sigma", "truncate"), [(0.05, 4.0), (0.7, 4.0), (1.5, 3.0), (6.4, 3.0)])
def test_smoothing_is_scipys(
    edge: Edge, sigma: float, truncate: float, make_images: MakeImages
) -> None:
    x = make_images(2, 1, 12, 17).x
    known = ndimage.gaussian_filter(
        x.double().numpy(), (0, 0, sigma, sigma), mode=SCIPY[edge], truncate=truncate
    )
    np.testing.assert_allclose(smooth(x, sigma, edge, truncate).numpy(), known, atol=1e-6)


def test_lengths_scale_with_the_image(make_images: MakeImages) -> None:
    images = make_images(2, 1, 16, 16, unit=0.5)
    torch.testing.assert_close(gaussian_blur(images, 2.0), smooth(images.x, 1.0))


@pytest.mark.parametrize(("radius", "softness"), [(0.3, 0.4), (1.0, 0.2), (1.5, 0.1), (3.0, 0.5)])
def test_defocus_is_a_disk_smoothed_by_three_by_three(
    radius: float, softness: float, make_images: MakeImages
) -> None:
    places = np.arange(-8, 9)
    disk = (places[:, None] ** 2 + places**2 <= radius**2).astype(float)
    near = np.exp(-0.5 * (np.arange(-1, 2) / softness) ** 2)
    near /= near.sum()
    soft = ndimage.convolve(disk / disk.sum(), np.outer(near, near), mode="constant")
    kernel = disk_kernel(radius, softness)
    assert float(kernel.sum()) == pytest.approx(1)
    images = make_images(2, 3, 20, 24)
    known = ndimage.convolve(images.x.double().numpy(), soft[None, None], mode="mirror")
    np.testing.assert_allclose(
        defocus_blur(images, Disk(radius, softness)).numpy(), known, atol=1e-6
    )


@pytest.mark.parametrize("factor", [1.0, 1.05, 1.25, 2.25])
def test_zooming_is_scipys_on_whole_pixels(factor: float, make_images: MakeImages) -> None:
    x = make_images(1, 1, 32, 32).x
    kept = math.ceil(32 / factor)
    top = (32 - kept) // 2
    large = ndimage.zoom(x[0, 0, top : top + kept, top : top + kept].numpy(), factor, order=1)
    cut = (len(large) - 32) // 2
    known = large[cut : cut + 32, cut : cut + 32]
    np.testing.assert_allclose(zoom(x, factor)[0, 0].numpy(), known, atol=1e-5)


def test_zoom_blur_is_the_mean_of_the_image_and_its_magnifications(
    make_images: MakeImages,
) -> None:
    images = make_images(2, 3, 32, 32)
    factors = (1.0, 1.1, 1.2)
    known = torch.stack([images.x, *(zoom(images.x, factor) for factor in factors)]).mean(0)
    torch.testing.assert_close(zoom_blur(images, Zoom(1.25, 0.1)), known)


@pytest.mark.parametrize("angle", [0.0, 37.0, -45.0, -90.0])
def test_motion_blur_is_a_line_of_whole_pixels(angle: float) -> None:
    x = torch.rand(1, 1, 9, 11, generator=torch.Generator().manual_seed(0))
    radius, sigma = 4.0, 2.0
    length = 2 * 4 + 1
    weight = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(length)]
    known = np.zeros((9, 11))
    for i in range(length):
        down = math.ceil(i * math.sin(math.radians(angle)) - 0.5)
        right = math.ceil(i * math.cos(math.radians(angle)) - 0.5)
        for row in range(9):
            for column in range(11):
                seen = min(max(row + down, 0), 8), min(max(column + right, 0), 10)
                known[row, column] += weight[i] / sum(weight) * float(x[0, 0][seen])
    blurred = drag(x, torch.tensor([angle]), radius, sigma)
    np.testing.assert_allclose(blurred[0, 0].numpy(), known, atol=1e-6)


@pytest.mark.parametrize("swaps", [True, False])
def test_glass_moves_pixels_one_after_the_other(swaps: bool, make_images: MakeImages) -> None:
    """The loops of the releases, in which colour images lose what a pixel overwrites."""
    images, reach = make_images(2, 1, 9, 10), 2
    glass = Glass(0.0, reach, 2, share=0.6, swaps=swaps)
    known: list[Picture] = []
    for image in range(2):
        at = np.arange(90).reshape(9, 10)
        for time in range(2):
            jumps = images.integers(f"jumps {time}", -reach, reach, 2, 9, 10)[image].numpy()
            moves = images.uniform(f"moves {time}", 9, 10)[image].numpy() < 0.6
            for row in range(9 - reach, reach, -1):
                for column in range(10 - reach, reach, -1):
                    if moves[row, column]:
                        there = row + jumps[0, row, column], column + jumps[1, row, column]
                        here = at[row, column]
                        at[row, column] = at[there]
                        if swaps:
                            at[there] = here
        known.append(at.ravel())
    np.testing.assert_array_equal(shuffled(images, glass).numpy(), np.stack(known))
    assert (len(set(known[0].tolist())) == 90) == swaps
    moved = images.x.flatten(1).numpy()[np.arange(2)[:, None], np.stack(known)]
    np.testing.assert_allclose(glass_blur(images, glass).flatten(1).numpy(), moved, atol=1e-6)


def test_the_glass_of_mnist_c_blurs_up_and_down_alone(make_images: MakeImages) -> None:
    """Its release asks scikit-image to keep apart the channels of images ``[28, 28]``."""
    images = make_images(1, 1, 28, 28)
    for glass in CORRUPTIONS["glass_blur"].levels["mnist_c"]:
        known = images.x[0, 0].double().numpy()
        for _ in range(2):
            known = ndimage.gaussian_filter(known, (glass.sigma, 0), mode="nearest")
        still = glass_blur(images, glass._replace(share=0.0))[0, 0]
        np.testing.assert_allclose(still.numpy(), known, atol=1e-6)


def test_glass_that_moves_nothing_blurs_twice(make_images: MakeImages) -> None:
    images = make_images(2, 3, 12, 12)
    twice = smooth(smooth(images.x, 0.7), 0.7)
    torch.testing.assert_close(glass_blur(images, Glass(0.7, 1, 2, share=0.0)), twice)
