"""Parts of images against a loop over tries and torch's own interpolation."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from regsearch.augmentations import Colours
from regsearch.augmentations.random_resized_crop import (
    TRIES,
    RandomResizedCrop,
    change,
    choose_boxes,
)

CASES = [
    RandomResizedCrop(),
    RandomResizedCrop(scale=(0.7, 1.0), ratio=(0.25, 4.0)),
    RandomResizedCrop(scale=(1.0, 1.0), ratio=(2.0, 3.0)),  # no size fits
    RandomResizedCrop(scale=(1.0, 1.0), ratio=(0.3, 0.5)),
]


def box_of_one(u: list[float], config: RandomResizedCrop, high: int, wide: int) -> tuple[int, ...]:
    """As torchvision draws it, one try after the other."""
    (least, most), (narrow, broad) = config.scale, config.ratio
    for attempt in range(TRIES):
        area = high * wide * (least + u[attempt] * (most - least))
        low, top = math.log(narrow), math.log(broad)
        ratio = math.exp(low + u[TRIES + attempt] * (top - low))
        h, w = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < h <= high and 0 < w <= wide:
            return int(u[-2] * (high - h + 1)), int(u[-1] * (wide - w + 1)), h, w
    h, w = high, wide
    if wide / high < narrow:
        h = round(wide / narrow)
    elif wide / high > broad:
        w = round(high * broad)
    return (high - h) // 2, (wide - w) // 2, h, w


@pytest.mark.parametrize("config", CASES)
@pytest.mark.parametrize("shape", [(12, 9), (8, 8)])
def test_a_part_is_cut_out_and_enlarged(config: RandomResizedCrop, shape: tuple[int, int]) -> None:
    x, u = torch.rand(60, 2, *shape), torch.rand(60, 2 * TRIES + 2, dtype=torch.float64)
    boxes = [box_of_one(row, config, *shape) for row in u.tolist()]
    assert torch.stack(choose_boxes(u, config, *shape), 1).tolist() == [list(b) for b in boxes]
    changed = change(x, u, config, Colours(x))
    for image, (top, left, h, w), found in zip(x, boxes, changed, strict=True):
        part = image[None, :, top : top + h, left : left + w]
        expected = F.interpolate(part, shape, mode="bilinear", antialias=True)[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_bounds_are_in_order() -> None:
    with pytest.raises(ValidationError, match="not above its last"):
        RandomResizedCrop(scale=(0.5, 0.2))
    with pytest.raises(ValidationError, match="ratio"):
        RandomResizedCrop(ratio=(0.0, 1.0))
