"""Plain convolutional network in the manner of VGG (Simonyan and Zisserman, 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.errors import SpecError
from regsearch.models._base import MODELS, Model
from regsearch.models._images import check_images
from regsearch.models.mlp import Width
from regsearch.space import Kind

Layers = Sequence[int | Literal["M"]]


class Vgg(Kind):
    """Convolutions by their channels, with ``M`` where a pooling layer halves the image."""

    kind: Literal["vgg"] = "vgg"
    layers: list[Width | Literal["M"]] = Field(
        default=[16, 16, "M", 32, 32, "M"],
        min_length=1,
        description="channels of each 3x3 convolution; M: 2x2 max pooling",
    )
    norm: Annotated[
        Literal["none", "batch"], Field(description="batch: batch norm before each ReLU")
    ] = "none"


def build(config: Vgg, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Convolutions with ReLU, global average, one linear layer: ``[N, c, h, w]`` to ``[N, C]``.

    Weights are He-normal by fan in, those of the last layer too, and biases zero, as in PathProx's
    VGG19.

    Raises:
        SpecError: the examples are not images, or too small for so many pooling layers.
    """
    check_images("vgg", input_shape)
    _check_poolings(config, input_shape)
    return he_normal(convolutional(config.layers, config.norm, input_shape[0], classes))


def convolutional(layers: Layers, norm: str, channels: int, classes: int) -> nn.Sequential:
    """The network from ``channels`` on, with torch's default initialisation.

    A convolution has a bias where no batch norm follows, which would subtract it.
    """
    body: list[nn.Module] = []
    plain = norm == "none"
    for width in layers:
        if width == "M":
            body.append(nn.MaxPool2d(2))
            continue
        body.append(nn.Conv2d(channels, width, 3, padding=1, bias=plain))
        body += [nn.ReLU()] if plain else [nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    head = nn.Linear(channels, classes)
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def he_normal(model: nn.Sequential) -> nn.Sequential:
    """``model`` with He-normal weights by fan in, and biases of zero."""
    for layer in model:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def _check_poolings(config: Vgg, input_shape: tuple[int, ...]) -> None:
    poolings, side = config.layers.count("M"), min(input_shape[1:])
    if side >> poolings == 0:
        raise SpecError(
            [
                f"vgg halves {input_shape[1]}x{input_shape[2]} images {poolings} times (M in its "
                f"layers), which is possible {side.bit_length() - 1} times"
            ]
        )


MODELS.add("vgg", Model(Vgg, "3x3 convolutions with ReLU, pooling, one linear layer", build))
