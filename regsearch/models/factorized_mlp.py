"""Multilayer perceptron with factorized matrices (Yang and others, PathProx: MLP-L-N factorized).

Every matrix between two hidden layers is a product of two, so that each ReLU has an incoming and an
outgoing layer of its own: one group of homogeneous units per hidden layer.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Literal

from pydantic import Field
from torch import nn

from regsearch.models._base import MODELS, Model
from regsearch.models.mlp import Width
from regsearch.space import Kind


class FactorizedMlp(Kind):
    """Widths of the hidden layers; the paper's MLP-3-400 factorized is ``[400, 400, 400]``."""

    kind: Literal["factorized_mlp"] = "factorized_mlp"
    widths: list[Width] = Field(
        default=[128, 128], min_length=1, description="units of each hidden layer"
    )


def build(config: FactorizedMlp, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    r"""Two linear layers per hidden layer, ReLU between them: ``[N, *input_shape]`` to ``[N, C]``.

    .. math:: x \leftarrow V_l \operatorname{ReLU}(W_l x + b_l) + c_l, \quad l = 1 \dots L

    :math:`V_l` is as wide as the next hidden layer, and nothing stands between it and the next
    :math:`W`. Torch's default initialisation; the paper's code keeps all biases, and so do we.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    inputs = prod(input_shape)
    for width, following in pairwise([*config.widths, classes]):
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, following)]
        inputs = following
    return nn.Sequential(*layers)


MODELS.add(
    "factorized_mlp",
    Model(FactorizedMlp, "perceptron with two matrices per hidden ReLU layer (PathProx)", build),
)
