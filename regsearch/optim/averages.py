"""Exponential moving averages that start at zero."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

Share = Annotated[float, Field(ge=0, lt=1)]
"""How much of itself an average keeps at a step."""


def bias_correction(beta: float, step: Tensor) -> Tensor:
    r"""What an average has of the values seen, :math:`1 - \beta^t`: a scalar in float64."""
    if beta == 0:
        return torch.ones_like(step, dtype=torch.float64)
    return 1 - torch.exp(step.double() * math.log(beta))
