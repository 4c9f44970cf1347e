"""What storing and shrinking does to images."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from torch import Tensor

from regsearch.corruptions._base import CORRUPTIONS, Corruption, Images, as_bytes


def pixelate(images: Images, share: float) -> Tensor:
    """Each side shrinks to a ``share`` of its pixels, rounded down, and grows again."""
    rows, columns = (_there_and_back(side, int(side * share)) for side in images.x.shape[2:])
    return rows @ images.x @ columns.T


def _there_and_back(side: int, fewer: int) -> Tensor:
    return _boxes(fewer, side) @ _boxes(side, fewer)


def _boxes(side: int, to: int) -> Tensor:
    """Means over boxes, ``[to, side]``: of the pixels whose middle each holds, or of the nearest.

    As Pillow's box filter: a middle on an edge belongs to the box on its left.
    """
    width = side / to
    middles = (torch.arange(to, dtype=torch.float64) + 0.5)[:, None] * width
    away = (torch.arange(side, dtype=torch.float64) + 0.5 - middles) / max(width, 1)
    inside = ((away > -0.5) & (away <= 0.5)).float()
    return inside / inside.sum(1, keepdim=True)


def jpeg_compression(images: Images, quality: int) -> Tensor:
    """Written as JPEG of this ``quality`` and read again, by Pillow."""
    from PIL import Image  # half of what a run needs to start

    stored = []
    for pixels in as_bytes(images.x).permute(0, 2, 3, 1).numpy():
        file = BytesIO()
        Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality)
        stored.append(np.array(Image.open(file)).reshape(pixels.shape))
    return torch.from_numpy(np.stack(stored)).permute(0, 3, 1, 2).float() / 255


CORRUPTIONS.add(
    "pixelate",
    Corruption("fewer pixels", pixelate, {"cifar10_c": [0.95, 0.9, 0.85, 0.75, 0.65]}),
)
CORRUPTIONS.add(
    "jpeg_compression",
    Corruption("JPEG of low quality", jpeg_compression, {"cifar10_c": [80, 65, 58, 50, 40]}),
)
