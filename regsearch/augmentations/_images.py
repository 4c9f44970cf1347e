"""What changes of images share: the colour of what is cut away, places and boxes of pixels."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

Fill = Literal["black", "mean"]
"""A colour by what it is, since its number depends on how a data set is normalised."""


class Colours:
    """Black and the mean colour, ``[C, 1, 1]`` each, of the training images ``[N, C, H, W]``.

    Black is the smallest value of each channel: that of the pixel 0, which every official set
    has, in the units of the model's inputs.
    """

    def __init__(self, images: Tensor) -> None:
        self._images = images

    @cached_property
    def black(self) -> Tensor:
        """Smallest value of each channel."""
        return self._images.amin((0, 2, 3))[:, None, None]

    @cached_property
    def mean(self) -> Tensor:
        """Mean of each channel: 0, but for rounding, where data are standardised."""
        return self._images.mean((0, 2, 3))[:, None, None]

    def of(self, fill: Fill) -> Tensor:
        """The colour of this name."""
        return self.black if fill == "black" else self.mean


def place(u: Tensor, count: int | Tensor) -> Tensor:
    """One of the whole numbers from 0 to ``count - 1``, each as likely, from ``u`` in (0, 1)."""
    return (u * count).long()


def boxes(top: Tensor, bottom: Tensor, left: Tensor, right: Tensor, shape: torch.Size) -> Tensor:
    """Which pixels lie in each box, bool ``[N, H, W]`` for images of ``shape``, ``[..., H, W]``.

    Ends are exclusive, ``[N]`` each; what of a box lies outside the image is left out.
    """
    rows, columns = (torch.arange(side, device=top.device) for side in shape[-2:])
    down = (rows >= top[:, None]) & (rows < bottom[:, None])
    across = (columns >= left[:, None]) & (columns < right[:, None])
    return down[:, :, None] & across[:, None, :]
