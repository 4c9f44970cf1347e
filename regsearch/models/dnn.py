"""The two-layer network of the volumization paper's MNIST experiments: 784-1024-10 with ReLU."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.models._base import MODELS, Model
from regsearch.models.mlp import Width, perceptron
from regsearch.space import Kind


class Dnn(Kind):
    """Width of the one hidden layer."""

    kind: Literal["dnn"] = "dnn"
    width: Annotated[Width, Field(description="units of the hidden layer")] = 1024


def build(config: Dnn, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """One hidden ReLU layer of ``width`` units: ``[N, *input_shape]`` to ``[N, C]``."""
    return perceptron(prod(input_shape), [config.width], classes)


MODELS.add("dnn", Model(Dnn, "two-layer network of the volumization paper", build))
