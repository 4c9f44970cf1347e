"""Residual networks for small images (He, Zhang, Ren and Sun, 2016), in the form used on CIFAR.

Three by three pixels and stride 1 for the first convolution, no pooling behind it; otherwise as on
ImageNet. The volumization paper's and, by our choice, AdaDecay's ResNet-18 and ResNet-50.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from regsearch.models._base import MODELS, Model
from regsearch.models._images import check_images
from regsearch.models._residual_drop import BlockSize, Drop, DropRate, add_drop
from regsearch.models.mlp import Width
from regsearch.space import Kind

Channels = Annotated[
    Width,
    Field(description="channels of the first stage; the others have 2, 4 and 8 times as many"),
]


class Resnet18(Kind):
    """Width and dropout of the network of basic blocks."""

    kind: Literal["resnet18"] = "resnet18"
    width: Channels = 64
    drop: Drop = "none"
    rate: DropRate = 0.0
    block_size: BlockSize = 7


class Resnet50(Kind):
    """Width and dropout of the network of bottlenecks."""

    kind: Literal["resnet50"] = "resnet50"
    width: Channels = 64
    drop: Drop = "none"
    rate: DropRate = 0.0
    block_size: BlockSize = 7


class Block(nn.Module):
    """Two convolutions of 3x3, and the input added to what comes out."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, inputs, h, w]`` to ``[N, width, h / stride, w / stride]``."""
        hidden = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(hidden)) + self.downsample(x))


class Bottleneck(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1, the last four times as wide, and the input added."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, inputs, h, w]`` to ``[N, 4 width, h / stride, w / stride]``."""
        hidden = F.relu(self.bn1(self.conv1(x)))
        hidden = F.relu(self.bn2(self.conv2(hidden)))
        return F.relu(self.bn3(self.conv3(hidden)) + self.downsample(x))


class ResNet(nn.Module):
    """Four stages of blocks, each but the first halving the image; layers as torchvision's."""

    def __init__(
        self,
        block: type[Block] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        width: int,
        channels: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage, depth in enumerate(depths):
            units, blocks = width * 2**stage, []
            for number in range(depth):
                blocks.append(block(inputs, units, 2 if stage and not number else 1))
                inputs = units * block.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, c, h, w]`` to ``[N, C]``."""
        hidden = F.relu(self.bn1(self.conv1(x)))
        for stage in range(1, 5):
            hidden = self.get_submodule(f"layer{stage}")(hidden)
        return self.fc(F.adaptive_avg_pool2d(hidden, 1).flatten(1))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """The input itself, or a convolution of 1x1 where shapes differ."""
    if stride == 1 and inputs == outputs:
        return nn.Sequential()
    conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def _building(
    block: type[Block] | type[Bottleneck], depths: tuple[int, int, int, int]
) -> Callable[[Resnet18 | Resnet50, tuple[int, ...], int], nn.Module]:
    def build(config: Resnet18 | Resnet50, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        check_images(config.kind, input_shape)
        model = ResNet(block, depths, config.width, input_shape[0], classes)
        return add_drop(model, config.drop, config.rate, config.block_size)

    return build


MODELS.add(
    "resnet18",
    Model(Resnet18, "ResNet-18 for small images", _building(Block, (2, 2, 2, 2))),
)
MODELS.add(
    "resnet50",
    Model(Resnet50, "ResNet-50 for small images", _building(Bottleneck, (3, 4, 6, 3))),
)
