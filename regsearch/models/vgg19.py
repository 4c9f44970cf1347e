"""VGG19 of PathProx: sixteen convolutions without batch norm, and one linear layer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.models._base import MODELS, Model
from regsearch.models._images import check_images
from regsearch.models.mlp import Width
from regsearch.models.vgg import convolutional, he_normal
from regsearch.space import Kind


class Vgg19(Kind):
    """Channels of the first convolution; those behind it have 2, 4 and 8 times as many."""

    kind: Literal["vgg19"] = "vgg19"
    width: Annotated[Width, Field(description="channels of the first convolution")] = 64


def build(config: Vgg19, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The network as released, homogeneous in every unit: ``[N, c, h, w]`` to ``[N, C]``.

    The paper cites one with batch norm, its code has none. Weights are He-normal by fan in and
    biases zero.

    Raises:
        SpecError: the examples are no images of 16x16 pixels or more.
    """
    check_images("vgg19", input_shape, least=16)
    layers: list[int | Literal["M"]] = []
    for times, convolutions in ((1, 2), (2, 2), (4, 4), (8, 4), (8, 4)):
        layers += [*[times * config.width] * convolutions, "M"]
    return he_normal(convolutional(layers[:-1], "none", input_shape[0], classes))


MODELS.add("vgg19", Model(Vgg19, "VGG19 without batch norm (PathProx)", build))
