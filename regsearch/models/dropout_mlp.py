"""Multilayer perceptron with dropout behind every hidden layer."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.models._base import MODELS, Model
from regsearch.models.dropout import Dropout, Rate
from regsearch.models.mlp import Width, perceptron
from regsearch.space import Kind


class DropoutMlp(Kind):
    """Widths of the hidden layers and how much of each is dropped; rates can share a pack."""

    kind: Literal["dropout_mlp"] = "dropout_mlp"
    widths: list[Width] = Field(
        default=[128], min_length=1, description="units of each hidden layer"
    )
    dropout: Annotated[Rate, Field(description="probability that a hidden unit is dropped")] = 0.5


def build(config: DropoutMlp, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """``mlp``, of the same initial weights, with dropout behind every ReLU."""
    layers: list[nn.Module] = []
    for layer in perceptron(prod(input_shape), config.widths, classes):
        layers += [layer, Dropout(config.dropout)] if isinstance(layer, nn.ReLU) else [layer]
    return nn.Sequential(*layers)


MODELS.add("dropout_mlp", Model(DropoutMlp, "multilayer perceptron with ReLU and dropout", build))
