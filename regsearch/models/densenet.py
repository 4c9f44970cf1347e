"""Densely connected network DenseNet-BC (Huang and others, 2017) for small images.

AdaDecay names "DenseConv" only. The default is its ImageNet arrangement, DenseNet-121, with growth
12; the paper's DenseNet-BC-100 for CIFAR has ``blocks: [16, 16, 16]``.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from regsearch.models._base import MODELS, Model
from regsearch.models._images import check_images
from regsearch.models.mlp import Width
from regsearch.space import Kind


class Densenet(Kind):
    """Numbers of layers, what each adds, and how much is kept between blocks."""

    kind: Literal["densenet"] = "densenet"
    growth: Annotated[Width, Field(description="channels that each layer adds")] = 12
    blocks: list[Annotated[int, Field(ge=1, le=1000)]] = Field(
        default=[6, 12, 24, 16], min_length=1, description="layers of each dense block"
    )
    reduction: Annotated[
        float, Field(gt=0, le=1, description="share of the channels kept after each block")
    ] = 0.5


class Layer(nn.Module):
    """Adds ``growth`` channels to those that it reads, by way of four times as many."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.new = nn.Sequential(
            *_activated(inputs, 4 * growth, side=1), *_activated(4 * growth, growth, side=3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[N, c, h, w]`` to ``[N, c + growth, h, w]``."""
        return torch.cat([x, self.new(x)], 1)


def build(config: Densenet, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Dense blocks with halving between, global average, linear: ``[N, c, h, w]`` to ``[N, C]``.

    Torch's default initialisation.

    Raises:
        SpecError: the examples are no images, or too small for so many blocks.
    """
    check_images("densenet", input_shape, least=2 ** (len(config.blocks) - 1))
    channels = 2 * config.growth
    layers: list[nn.Module] = [nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=False)]
    for number, depth in enumerate(config.blocks):
        if number:
            kept = max(1, int(channels * config.reduction))
            layers += [*_activated(channels, kept, side=1), nn.AvgPool2d(2)]
            channels = kept
        layers += [Layer(channels + n * config.growth, config.growth) for n in range(depth)]
        channels += depth * config.growth
    ending = [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *ending, nn.Linear(channels, classes))


def _activated(inputs: int, outputs: int, side: int) -> list[nn.Module]:
    """Batch norm and ReLU ahead of a convolution."""
    conv = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False)
    return [nn.BatchNorm2d(inputs), nn.ReLU(), conv]


MODELS.add("densenet", Model(Densenet, "DenseNet-BC for small images", build))
