"""LeNet-4 of AdaDecay: two convolutions and two linear layers, of the sizes of Caffe's LeNet."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.models._base import MODELS, Model
from regsearch.models._images import check_images
from regsearch.models.dropout import Dropout, Rate
from regsearch.space import Kind


class Lenet4(Kind):
    """How much of the hidden linear layer is dropped; rates can share a pack."""

    kind: Literal["lenet4"] = "lenet4"
    dropout: Annotated[
        Rate, Field(description="probability that a unit of the hidden linear layer is dropped")
    ] = 0.0


def build(config: Lenet4, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """20 and 50 kernels of 5x5 with pooling, then 500 units: ``[N, c, h, w]`` to ``[N, C]``.

    The only ReLU is that of the hidden linear layer, as in Caffe's; torch's default initialisation.

    Raises:
        SpecError: the examples are no images of 16x16 pixels or more.
    """
    check_images("lenet4", input_shape, least=16)
    channels, *sides = input_shape
    high, wide = (((side - 4) // 2 - 4) // 2 for side in sides)
    return nn.Sequential(
        *(nn.Conv2d(channels, 20, 5), nn.MaxPool2d(2)),
        *(nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(50 * high * wide, 500), nn.ReLU()),
        *(Dropout(config.dropout), nn.Linear(500, classes)),
    )


MODELS.add("lenet4", Model(Lenet4, "LeNet with two convolutions and dropout (AdaDecay)", build))
