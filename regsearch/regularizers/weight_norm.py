"""Weight normalization (Salimans and Kingma, 2016): a gain for every row, and its direction."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from regsearch.regularizers._base import REGULARIZERS, Regularizer
from regsearch.regularizers.forms import FORMS, norms
from regsearch.regularizers.reparametrize import Head, reparametrize
from regsearch.space import Kind

ROWS = FORMS["wn"]


class WeightNorm(Kind):
    """Learns the length of every row apart from its direction; nothing is constrained."""

    kind: Literal["weight_norm"] = "weight_norm"
    head: Head = "exempt"


class GainTimesDirection(nn.Module):
    r"""Weights ``[m, ...]`` from gains ``[m]`` and raw weights: :math:`w_j = g_j v_j / |v_j|`.

    Equation 2 of the paper. The network starts as it would have without: :math:`g_j = |v_j|`.
    torch's own ``weight_norm`` computes the same, but ``vmap`` falls back to a loop over it, and
    its gains have the axes of a matrix, so that they would decay like one.
    """

    def forward(self, gain: Tensor, raw: Tensor) -> Tensor:
        """Effective weights, in the shape of the raw ones."""
        return raw * (gain.view(-1, *[1] * (raw.ndim - 1)) / norms(raw, ROWS.axes(raw)))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Lengths of the rows of ``weight``, and these themselves."""
        return norms(weight, ROWS.axes(weight)).flatten(), weight


def build(model: nn.Module, config: WeightNorm) -> nn.Module:
    """Normalise the rows of every linear and convolutional layer of ``model``.

    Raises:
        RegsearchError: no layer is left to act on, one has a parametrization already, or a row of
            initial weights is zero.
    """
    return reparametrize(model, config.kind, config.head, lambda weight: GainTimesDirection())


REGULARIZERS.add(
    "weight_norm",
    Regularizer(config=WeightNorm, description="length and direction of rows apart", build=build),
)
