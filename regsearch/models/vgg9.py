"""VGG-9 with batch norm, of AdaDecay: eight convolutions and one linear layer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.models._base import MODELS, Model
from regsearch.models._images import check_images
from regsearch.models.mlp import Width
from regsearch.models.vgg import Layers, convolutional
from regsearch.space import Kind


class Vgg9(Kind):
    """Channels of the first convolution; those behind it have 2, 4 and 8 times as many."""

    kind: Literal["vgg9"] = "vgg9"
    width: Annotated[Width, Field(description="channels of the first convolution")] = 64


def build(config: Vgg9, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """VGG-11 with one linear layer in place of three: ``[N, c, h, w]`` to ``[N, C]``.

    Images below 32x32, such as those of MNIST, get a border of zeros up to there. Torch's default
    initialisation.

    Raises:
        SpecError: the examples are not images.
    """
    check_images("vgg9", input_shape)
    layers: Layers = [
        *(config.width, "M", 2 * config.width, "M"),
        *(4 * config.width, 4 * config.width, "M"),
        *(8 * config.width, 8 * config.width, "M") * 2,
    ]
    high, wide = (max(0, 32 - side) for side in input_shape[1:])
    border = nn.ZeroPad2d((wide // 2, wide - wide // 2, high // 2, high - high // 2))
    return nn.Sequential(border, *convolutional(layers, "batch", input_shape[0], classes))


MODELS.add("vgg9", Model(Vgg9, "VGG-9 with batch norm (AdaDecay)", build))
