"""GoogLeNet (Szegedy and others, 2015) with batch norm, in the form used on CIFAR.

A first convolution of 3x3 at full size, and two of 3x3 wherever the original has one of 5x5; no
auxiliary outputs. AdaDecay names the network only, so its form is our choice.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from regsearch.models._base import MODELS, Model
from regsearch.models._images import check_images
from regsearch.models.mlp import Width
from regsearch.space import Kind

STEM = 192


class GoogLeNet(Kind):
    """Channels of the first convolution; all others shrink or grow with them."""

    kind: Literal["googlenet"] = "googlenet"
    width: Annotated[
        Width, Field(description="channels of the first convolution, 192 in the original")
    ] = STEM


class Branches(NamedTuple):
    """Output channels of one cell: by 1x1; by 3x3 and 5x5, after a 1x1 each; by pooling."""

    one: int
    before_three: int
    three: int
    before_five: int
    five: int
    pooled: int


STAGES = [
    [Branches(64, 96, 128, 16, 32, 32), Branches(128, 128, 192, 32, 96, 64)],
    [
        Branches(192, 96, 208, 16, 48, 64),
        Branches(160, 112, 224, 24, 64, 64),
        Branches(128, 128, 256, 24, 64, 64),
        Branches(112, 144, 288, 32, 64, 64),
        Branches(256, 160, 320, 32, 128, 128),
    ],
    [Branches(256, 160, 320, 32, 128, 128), Branches(384, 192, 384, 48, 128, 128)],
]
"""Cells a and b, a to e, a and b of table 1 of the paper; pooling halves the image between them."""


class Inception(nn.Module):
    """Four branches side by side."""

    def __init__(self, inputs: int, size: Branches) -> None:
        super().__init__()
        self.one = _conv(inputs, size.one, 1)
        self.three = nn.Sequential(
            *_conv(inputs, size.before_three, 1), *_conv(size.before_three, size.three, 3)
        )
        self.five = nn.Sequential(
            *_conv(inputs, size.before_five, 1),
            *_conv(size.before_five, size.five, 3),
            *_conv(size.five, size.five, 3),
        )
        self.pooled = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), *_conv(inputs, size.pooled, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[N, inputs, h, w]`` to ``[N, c, h, w]``, c the channels of all branches together."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)


def build(config: GoogLeNet, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Nine cells in three stages, global average, one linear layer: ``[N, c, h, w]`` to ``[N, C]``.

    Convolutions have no bias, since batch norm follows. Torch's default initialisation.

    Raises:
        SpecError: the examples are not images.
    """
    check_images("googlenet", input_shape)

    def scaled(channels: int) -> int:
        return max(1, round(channels * config.width / STEM))

    layers, inputs = [*_conv(input_shape[0], config.width, 3)], config.width
    for number, stage in enumerate(STAGES):
        layers += [nn.MaxPool2d(3, stride=2, padding=1)] if number else []
        for cell in stage:
            size = Branches(*map(scaled, cell))
            layers.append(Inception(inputs, size))
            inputs = size.one + size.three + size.five + size.pooled
    head = nn.Linear(inputs, classes)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def _conv(inputs: int, outputs: int, side: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


MODELS.add("googlenet", Model(GoogLeNet, "GoogLeNet with batch norm for small images", build))
