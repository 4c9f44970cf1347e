"""The perceptrons NN-2 and NN-3 of AdaDecay (Nakamura and Hong, 2019): all layers equally wide.

The paper gives the number of hidden layers and ReLU, but no widths; 512 is our choice.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.models._base import MODELS, Model
from regsearch.models.mlp import Width, perceptron
from regsearch.space import Kind

Units = Annotated[Width, Field(description="units of each hidden layer")]


class Nn2(Kind):
    """Width of both hidden layers."""

    kind: Literal["nn2"] = "nn2"
    width: Units = 512


class Nn3(Kind):
    """Width of the three hidden layers."""

    kind: Literal["nn3"] = "nn3"
    width: Units = 512


def build(config: Nn2 | Nn3, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Two or three hidden ReLU layers: ``[N, *input_shape]`` to ``[N, C]``."""
    hidden = 2 if isinstance(config, Nn2) else 3
    return perceptron(prod(input_shape), [config.width] * hidden, classes)


MODELS.add("nn2", Model(Nn2, "perceptron of two equal hidden layers (AdaDecay)", build))
MODELS.add("nn3", Model(Nn3, "perceptron of three equal hidden layers (AdaDecay)", build))
