"""Weather and light against loops, scipy and the standard library's colours."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from regsearch.corruptions import Images
from regsearch.corruptions._base import luminance
from regsearch.corruptions._filters import drag, zoom
from regsearch.corruptions.light import Saturation, brightness, contrast, saturate
from regsearch.corruptions.weather import ROUGHNESS, Fog, Mud, Snow, fog, landscape, snow, spatter

MakeImages = Callable[..., Images]
Picture = NDArray[np.float64]


def around(heights: Picture, row: int, column: int, far: int, slanted: bool) -> float:
    """Mean of the four neighbours at distance ``far`` on a torus."""
    side = len(heights)
    ways = [(-1, -1), (-1, 1), (1, -1), (1, 1)] if slanted else [(-1, 0), (1, 0), (0, -1), (0, 1)]
    places = [((row + far * down) % side, (column + far * right) % side) for down, right in ways]
    return float(np.mean([heights[place] for place in places]))


def by_loops(images: Images, image: int, side: int, decay: float) -> Picture:
    heights, step, rough = np.zeros((side, side)), side, ROUGHNESS
    while step >= 2:
        half, n = step // 2, side // step
        noise = images.uniform(f"heights {n}", 3, n, n)[image].double().numpy()
        noise = rough * (2 * rough * noise - rough)
        kinds = [(half, half, True), (0, half, False), (half, 0, False)]
        for drawn, (down, right, slanted) in zip(noise, kinds, strict=True):
            for i, j in np.ndindex(n, n):
                row, column = i * step + down, j * step + right
                heights[row, column] = around(heights, row, column, half, slanted) + drawn[i, j]
        step, rough = half, rough / decay
    return heights


def test_heights_are_those_of_the_diamond_square_algorithm(make_images: MakeImages) -> None:
    images = make_images(2, 1, 4, 4)
    for image, made in enumerate(landscape(images, 8, 1.7)):
        known = by_loops(images, image, 8, 1.7)
        np.testing.assert_allclose(made.numpy(), known, rtol=1e-4, atol=1e-2)


def test_fog_adds_light_and_keeps_the_brightest_value(make_images: MakeImages) -> None:
    images = make_images(40, 3, 32, 32)
    most = images.x.amax((1, 2, 3), keepdim=True)
    foggy = fog(images, Fog(1.5, 1.75, 32))
    mist = (foggy * (most + 1.5) / most - images.x) / 1.5
    assert float(mist.min()) == pytest.approx(0, abs=1e-4)
    assert float(mist.max()) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(mist[:, 0], mist[:, 2], atol=1e-4, rtol=0)
    assert bool((foggy <= most + 1e-6).all())
    torch.testing.assert_close(fog(images, Fog(0.0, 2, 32)), images.x)


def test_spatter_is_mud_where_smoothed_noise_is_high(make_images: MakeImages) -> None:
    images, mud = make_images(3, 1, 20, 20), Mud(0.65, 0.3, 1, 0.65, 1.5)
    for noise, x, spattered in zip(
        images.normal("liquid", 1, 20, 20)[:, 0], images.x[:, 0], spatter(images, mud), strict=True
    ):
        liquid = ndimage.gaussian_filter(0.65 + 0.3 * noise.numpy(), 1, mode="nearest")
        drops = ndimage.gaussian_filter((liquid > 0.65).astype(np.float32), 1.5, mode="nearest")
        drops[drops < 0.8] = 0
        known = x.numpy() * (1 - drops) + 63 / 255 * drops
        assert 0 < (drops > 0).mean() < 1
        np.testing.assert_allclose(spattered[0].numpy(), known, atol=1e-5)


def test_snow_whitens_and_falls_twice(make_images: MakeImages) -> None:
    images, fall = make_images(2, 3, 32, 32), Snow(0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)
    x = images.x
    flakes = zoom(0.3 + 0.3 * images.normal("flakes", 1, 32, 32), 1.25)
    flakes = flakes.where(flakes >= 0.65, torch.zeros(())).clamp(max=1)
    flakes = drag(flakes, 90 * images.uniform("angle") - 135, 14, 12)
    grey = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    white = torch.maximum(x, 1.5 * grey[:, None] + 0.5)
    known = 0.8 * x + 0.2 * white + flakes + torch.rot90(flakes, 2, (2, 3))
    torch.testing.assert_close(snow(images, fall), known)
    torch.testing.assert_close(luminance(x[:, :1]), x[:, :1])


def colours() -> Images:
    x = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    x[0, :, 0, 0], x[0, :, 0, 1], x[0, :, 0, 2] = 0, 0.5, 1
    return Images(x, torch.arange(1), 1.0, "test", 1)


def by_colorsys(
    x: torch.Tensor, change: Callable[[float, float, float], tuple[float, float, float]]
) -> torch.Tensor:
    seen = x[0].permute(1, 2, 0).reshape(-1, 3).double().tolist()
    changed = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*colour))) for colour in seen]
    return torch.tensor(changed).view(6, 6, 3).permute(2, 0, 1)[None]


def test_brightness_raises_the_value_alone() -> None:
    images = colours()
    known = by_colorsys(images.x, lambda h, s, v: (h, s, min(v + 0.3, 1)))
    torch.testing.assert_close(brightness(images, 0.3), known)
    grey = Images(images.x[:, :1], images.row, 1.0, "test", 1)
    torch.testing.assert_close(brightness(grey, 0.3), (grey.x + 0.3).clamp(max=1))


@pytest.mark.parametrize("line", [Saturation(0.3, 0), Saturation(2, 0.1), Saturation(1, 0)])
def test_saturation_moves_along_its_line(line: Saturation) -> None:
    images = colours()
    known = by_colorsys(images.x, lambda h, s, v: (h, min(s * line.factor + line.offset, 1), v))
    torch.testing.assert_close(saturate(images, line), known)


def test_contrast_shrinks_distances_to_the_mean(make_images: MakeImages) -> None:
    images = make_images(3, 3, 8, 8)
    flatter = contrast(images, 0.4)
    torch.testing.assert_close(flatter.mean((2, 3)), images.x.mean((2, 3)))
    torch.testing.assert_close(flatter.std((2, 3)), 0.4 * images.x.std((2, 3)))
    torch.testing.assert_close(contrast(images, 1.0), images.x)
