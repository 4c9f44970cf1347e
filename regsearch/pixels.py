"""The scale of images: what the values that a model sees are on the scale of pixels, [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor


class Pixels(NamedTuple):
    r"""How inputs follow from pixels: :math:`x = (p - \mu) / \sigma`, channel by channel.

    One value stands for all channels.
    """

    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)

    @classmethod
    def of(cls, stats: tuple[Sequence[float], Sequence[float]] | None) -> Self:
        """Of a mean and a deviation per channel; ``None``: inputs are pixels."""
        return cls() if stats is None else cls(tuple(stats[0]), tuple(stats[1]))

    def inputs(self, pixels: Tensor) -> Tensor:
        """What a model sees of ``pixels``, ``[N, C, H, W]`` in [0, 1]."""
        mean, deviation = self._per_channel(pixels)
        return (pixels - mean) / deviation

    def pixels(self, inputs: Tensor) -> Tensor:
        """The pixels of ``inputs``, to rounding; within [0, 1] where these were."""
        mean, deviation = self._per_channel(inputs)
        return (inputs * deviation + mean).clamp(0, 1)

    def _per_channel(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = (
            torch.tensor(values, dtype=like.dtype, device=like.device).view(-1, 1, 1)
            for values in self
        )
        return mean, deviation
