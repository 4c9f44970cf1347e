"""Crop, flip and Cutout against loops over pixels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from regsearch.augmentations import Colours, crop, cutout, flip, problems
from regsearch.augmentations.crop import Crop
from regsearch.augmentations.cutout import Cutout
from regsearch.augmentations.flip import Flip

IMAGES = torch.linspace(-1, 2, 30 * 3 * 7 * 5).view(30, 3, 7, 5)


def uniform(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64)


def test_a_crop_is_a_window_of_the_image_padded_in_black() -> None:
    u = uniform(30, 2)
    black = IMAGES.amin((0, 2, 3)).tolist()
    cropped = crop.change(IMAGES, u, Crop(padding=2), Colours(IMAGES))
    for image, (down, across), found in zip(IMAGES, u.tolist(), cropped, strict=True):
        padded = torch.stack([F.pad(image[c], [2] * 4, value=black[c]) for c in range(3)])
        top, left = int(down * 5), int(across * 5)
        assert torch.equal(found, padded[:, top : top + 7, left : left + 5])


def test_every_shift_of_a_crop_is_as_likely() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3).expand(9000, -1, -1, -1)
    config = Crop(padding=1, fill="mean")
    middle = crop.change(image, uniform(9000, 2), config, Colours(image))[:, 0, 1, 1]
    counts = torch.bincount(middle.long(), minlength=9)
    assert int((counts - 1000).abs().max()) < 5 * 1000**0.5


@pytest.mark.parametrize("probability", [0.2, 0.5, 1.0])
def test_a_flip_mirrors_the_share_of_images_that_is_asked_for(probability: float) -> None:
    x = torch.rand(4000, 1, 2, 3)
    flipped = flip.change(x, uniform(4000, 1), Flip(probability=probability), Colours(x))
    mirrored = (flipped == x[..., [2, 1, 0]]).flatten(1).all(1)
    left = (flipped == x).flatten(1).all(1)
    assert bool((mirrored ^ left).all())
    assert float(mirrored.float().mean()) == pytest.approx(probability, abs=0.04)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_cutout_paints_over_a_square_around_any_pixel(size: int) -> None:
    u = uniform(30, 2)
    mean = IMAGES.mean((0, 2, 3))
    painted = cutout.change(IMAGES, u, Cutout(size=size), Colours(IMAGES))
    for image, (down, across), found in zip(IMAGES, u.tolist(), painted, strict=True):
        expected = image.clone()
        top, left = int(down * 7) - size // 2, int(across * 5) - size // 2
        for row in range(max(top, 0), min(top + size, 7)):
            for column in range(max(left, 0), min(left + size, 5)):
                expected[:, row, column] = mean
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_colours_are_those_of_pixels_before_standardising() -> None:
    pixels = torch.randint(0, 256, (500, 3, 4, 4)).float() / 255
    mean, deviation = pixels.mean((0, 2, 3)), torch.tensor([0.2, 0.3, 0.4])
    standard = (pixels - mean[:, None, None]) / deviation[:, None, None]
    colours = Colours(standard)
    torch.testing.assert_close(colours.of("black").flatten(), -mean / deviation)
    torch.testing.assert_close(colours.of("mean").flatten(), torch.zeros(3), rtol=0, atol=1e-5)


def test_what_is_larger_than_the_image_is_refused() -> None:
    x = torch.zeros(1, 1, 8, 9)
    assert problems(Crop(padding=7), x) == problems(Cutout(size=8), x) == []
    [crop_too_far], [square_too_large] = problems(Crop(padding=8), x), problems(Cutout(size=9), x)
    assert crop_too_far.endswith("write 7 or less")
    assert square_too_large.endswith("write 8 or less")
