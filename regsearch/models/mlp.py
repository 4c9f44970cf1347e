"""Multilayer perceptron: linear layers with ReLU between them."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.models._base import MODELS, Model
from regsearch.space import Kind

Width = Annotated[int, Field(ge=1, le=1_000_000)]


class Mlp(Kind):
    """Widths of the hidden layers, first to last; none: softmax regression."""

    kind: Literal["mlp"] = "mlp"
    widths: list[Width] = Field(default=[128], description="units of each hidden layer")


def perceptron(inputs: int, hidden: list[int], classes: int) -> nn.Sequential:
    """Flatten, then linear layers (torch's default initialisation) with ReLU between them."""
    *body, head = pairwise([inputs, *hidden, classes])
    layers = [layer for sizes in body for layer in (nn.Linear(*sizes), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(*head))


def build(config: Mlp, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Perceptron with the hidden ``widths`` of ``config``: ``[N, *input_shape]`` to ``[N, C]``."""
    return perceptron(prod(input_shape), config.widths, classes)


MODELS.add("mlp", Model(Mlp, "multilayer perceptron with ReLU, any number of layers", build))
