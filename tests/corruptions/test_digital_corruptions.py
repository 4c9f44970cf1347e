"""Shrunk and compressed images against Pillow and the definition of JPEG."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn, idctn

from regsearch.corruptions import Images
from regsearch.corruptions._base import as_bytes
from regsearch.corruptions.digital import jpeg_compression, pixelate

MakeImages = Callable[..., Images]


@pytest.mark.parametrize("share", [0.95, 0.65, 0.4])
@pytest.mark.parametrize("side", [32, 27])
def test_pixels_are_those_of_pillows_boxes(
    share: float, side: int, make_images: MakeImages
) -> None:
    images = make_images(2, 3, side, side)
    stored = as_bytes(images.x)
    for x, made in zip(stored, pixelate(images._replace(x=stored / 255), share), strict=True):
        image = Image.fromarray(x.permute(1, 2, 0).numpy())
        few = image.resize((int(side * share), int(side * share)), Image.Resampling.BOX)
        known = np.array(few.resize((side, side), Image.Resampling.BOX)) / 255
        np.testing.assert_allclose(made.permute(1, 2, 0).numpy(), known, atol=1.51 / 255)


def test_all_pixels_are_the_image_itself(make_images: MakeImages) -> None:
    images = make_images(2, 1, 8, 11)
    torch.testing.assert_close(pixelate(images, 1.0), images.x)


LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""How coarsely JPEG stores the frequencies of grey (ITU-T T.81, table K.1)."""


@pytest.mark.parametrize("quality", [40, 80])
def test_jpeg_rounds_the_frequencies_of_blocks(quality: int, make_images: MakeImages) -> None:
    images = make_images(2, 1, 16, 24)
    factor = 50 / quality if quality < 50 else 2 - quality / 50
    coarse = np.floor(LUMINANCE * factor + 0.5)
    known = as_bytes(images.x)[:, 0].numpy().astype(float) - 128
    for row in range(0, 16, 8):
        for column in range(0, 24, 8):
            block = np.s_[:, row : row + 8, column : column + 8]
            stored = np.round(dctn(known[block], axes=(1, 2), norm="ortho") / coarse) * coarse
            known[block] = idctn(stored, axes=(1, 2), norm="ortho")
    made = jpeg_compression(images, quality)[:, 0].numpy() * 255
    away = np.abs(made - (known + 128).clip(0, 255))
    assert away.mean() < 0.75, "but for whole numbers in between"
    assert np.quantile(away, 0.99) < 3


def test_jpeg_of_colours_keeps_their_order_and_most_of_them(make_images: MakeImages) -> None:
    images = make_images(2, 3, 32, 32)
    fine, coarse = (jpeg_compression(images, quality) - images.x for quality in (95, 10))
    assert float(fine.abs().mean()) < 3 / 255
    assert float(coarse.abs().mean()) > 2 * float(fine.abs().mean())
