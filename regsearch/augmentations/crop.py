"""Random shifts by whole pixels, as torchvision's ``RandomCrop`` with padding."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.augmentations._base import AUGMENTATIONS, Augmentation
from regsearch.augmentations._images import Colours, Fill, place
from regsearch.space import Kind


class Crop(Kind):
    """A window of the image's own size, anywhere in the padded image."""

    kind: Literal["crop"] = "crop"
    padding: Annotated[
        int, Field(ge=1, description="pixels on every side, the farthest that an image moves")
    ] = 4
    fill: Annotated[
        Fill,
        Field(
            description="colour of the padding; black: as where images are padded before they are "
            "normalised"
        ),
    ] = "black"


def change(x: Tensor, u: Tensor, config: Crop, colours: Colours) -> Tensor:
    """Move each image by its own whole number of pixels, down and across."""
    count, channels, high, wide = x.shape
    margin = config.padding
    size = count, channels, high + 2 * margin, wide + 2 * margin
    padded = colours.of(config.fill).expand(size).clone()
    padded[:, :, margin:-margin, margin:-margin] = x
    windows = padded.unfold(2, high, 1).unfold(3, wide, 1)  # a view
    top, left = place(u, 2 * margin + 1).unbind(1)
    return windows[torch.arange(count, device=x.device), :, top, left]


def problems(config: Crop, side: int) -> list[str]:
    """A padding that can push the whole image out of its window."""
    if config.padding < side:
        return []
    return [
        f"crop pads by {config.padding} pixels, and the images have a side of {side}, which would "
        f"leave nothing of some; write {side - 1} or less"
    ]


AUGMENTATIONS.add(
    "crop",
    Augmentation(
        Crop,
        "pad, then cut out a window of the old size",
        numbers=2,
        change=change,
        problems=problems,
    ),
)
