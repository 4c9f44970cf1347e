"""Weight standardization (Qiao and others, 2019): rows of mean 0 and variance 1."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from regsearch.regularizers._base import REGULARIZERS, Regularizer
from regsearch.regularizers.forms import FORMS
from regsearch.regularizers.reparametrize import Head, reparametrize
from regsearch.space import Kind

ROWS = FORMS["ws"]
EPS = 1e-5


class WeightStandardization(Kind):
    """Standardises the weights of every unit; meant for layers with batch norm behind them."""

    kind: Literal["weight_standardization"] = "weight_standardization"
    head: Head = "exempt"


class Standardized(nn.Module):
    r"""Weights ``[m, ...]`` from raw ones: :math:`(W_j - \mu_j) / \sqrt{\sigma_j^2 + \epsilon}`.

    As in the paper, with :math:`\epsilon` = 1e-5 and the variance of the population; the released
    code adds it to the unbiased standard deviation instead.
    """

    def forward(self, raw: Tensor) -> Tensor:
        """Effective weights, in the shape of the raw ones."""
        axes = ROWS.axes(raw)
        direction = ROWS.direction(raw, axes)
        return direction * torch.rsqrt(direction.square().mean(axes, keepdim=True) + EPS)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Raw weights with the direction of ``weight``: these themselves."""
        return weight


def build(model: nn.Module, config: WeightStandardization) -> nn.Module:
    """Standardise every linear and convolutional layer of ``model``.

    Layers with rows of one or two weights are left alone: standardised, they could not learn.

    Raises:
        RegsearchError: no layer is left to act on, or one has a parametrization already.
    """

    def make(weight: Tensor) -> Standardized | None:
        return Standardized() if ROWS.freedom(weight) > 0 else None

    return reparametrize(model, config.kind, config.head, make)


REGULARIZERS.add(
    "weight_standardization",
    Regularizer(
        config=WeightStandardization, description="mean 0 and variance 1 in rows", build=build
    ),
)
