"""Small images to corrupt."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from regsearch.corruptions import Images

MakeImages = Callable[..., Images]


@pytest.fixture
def make_images() -> MakeImages:
    """Smooth random images of ``shape``, such as have something to blur."""

    def make(count: int, *shape: int, unit: float = 1.0, stream: str = "test") -> Images:
        generator = torch.Generator().manual_seed(0)
        coarse = torch.rand(count, shape[0], 4, 4, generator=generator)
        x = torch.nn.functional.interpolate(coarse, shape[1:], mode="bilinear").clamp(0, 1)
        return Images(x, torch.arange(count), unit, stream, 1)

    return make
