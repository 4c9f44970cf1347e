"""Multilayer perceptron: linear layers with ReLU between them."""

from __future__ import annotations

from collections.abc import Iterator
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
    norm: Annotated[
        Literal["none", "batch"], Field(description="batch: batch norm ahead of every ReLU")
    ] = "none"
    bias: Annotated[bool, Field(description="whether the linear layers have one")] = True


def perceptron(
    inputs: int, hidden: list[int], classes: int, norm: str = "none", bias: bool = True
) -> nn.Sequential:
    """Flatten, then linear layers (torch's default initialisation) with ReLU between them."""
    *body, head = pairwise([inputs, *hidden, classes])
    layers = [layer for sizes in body for layer in _hidden(*sizes, norm, bias)]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(*head, bias=bias))


def build(config: Mlp, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Perceptron with the hidden ``widths`` of ``config``: ``[N, *input_shape]`` to ``[N, C]``."""
    return perceptron(prod(input_shape), config.widths, classes, config.norm, config.bias)


def _hidden(inputs: int, units: int, norm: str, bias: bool) -> Iterator[nn.Module]:
    yield nn.Linear(inputs, units, bias=bias)
    if norm == "batch":
        yield nn.BatchNorm1d(units)
    yield nn.ReLU()


MODELS.add("mlp", Model(Mlp, "multilayer perceptron with ReLU, any number of layers", build))
