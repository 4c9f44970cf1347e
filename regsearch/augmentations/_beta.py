"""How much of a mixture is the example itself: the Beta distribution, from uniform numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

NUMBERS = 4
"""Uniform numbers that a draw takes."""


def symmetric_beta(u: Tensor, alpha: float) -> Tensor:
    r"""Draw from Beta(a, a) by four independent uniform numbers each, ``[..., 4]`` to ``[...]``.

    With Z of Beta(a + 1, a + 1), which has a closed form (Ulrich, "Computer generation of
    distributions on the m-sphere", 1984), as symmetric laws have, and a gamma variable of shape a
    being one of shape a + 1 times :math:`S^{1/a}` (Stuart, "Gamma-distributed products of
    independent random variables", 1962), the ratio of two of them is

    .. math::
        Z = \frac{1 + r}{2}, \quad r = \sqrt{1 - U^{2 / (2a + 1)}} \cos 2 \pi V, \qquad
        \ln \frac{X}{1 - X} = 2 \operatorname{artanh} r + \frac{\ln S - \ln T}{a}

    Nothing is rejected, so that every draw takes the same count of numbers from its stream.
    """
    first, angle, s, t = u.unbind(-1)
    r = (1 - first ** (2 / (2 * alpha + 1))).sqrt() * (2 * math.pi * angle).cos()
    return torch.sigmoid(2 * r.atanh() + (s.log() - t.log()) / alpha)
