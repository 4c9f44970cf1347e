r"""Homogeneous units: hidden neurons whose incoming and outgoing weights trade scale.

Two layers form a group where only channel-wise maps with :math:`f(cx) = c f(x)` for all
:math:`c > 0` join them: ReLU, leaky ReLU, pooling, dropout, flatten. Unit i has the incoming
weights ``w_i``, row i of the first layer, and the outgoing ``v_i``, its columns in the second. Its
path norm :math:`\lVert w_i \rVert \lVert v_i \rVert` is what weight decay makes of both at its
minimum (Yang and others, "PathProx: A Proximal Gradient Algorithm for Weight Decay Regularized Deep
Neural Networks"). Where a model has units: ``regsearch.unit_search``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from regsearch.cells import Tree


class UnitGroup(NamedTuple):
    """The parameters of two layers with units between them, by name; ``None``: no such bias."""

    first: str
    first_bias: str | None
    second: str
    second_bias: str | None


class Units(NamedTuple):
    """Where the homogeneous units of a model are.

    The groups of one chain follow one another with homogeneous maps between, so that scale can be
    moved from group to group as well. ``rest`` are the weights outside all groups.
    """

    chains: list[list[UnitGroup]]
    rest: list[str]

    @property
    def groups(self) -> list[UnitGroup]:
        """All groups, from input to output."""
        return [group for chain in self.chains for group in chain]


def norms(params: Tree, group: UnitGroup) -> tuple[Tensor, Tensor]:
    r""":math:`\lVert w_i \rVert` and :math:`\lVert v_i \rVert`, ``[K, N]`` each, without biases."""
    first, second = params[group.first], params[group.second]
    incoming = first.flatten(2).square().sum(2).sqrt()
    by_unit = second.reshape(*second.shape[:2], first.shape[1], -1)
    return incoming, by_unit.square().sum((1, 3)).sqrt()


def path_norms(params: Tree, group: UnitGroup) -> Tensor:
    r""":math:`\lVert w_i \rVert \lVert v_i \rVert` of every unit, ``[K, N]``."""
    incoming, outgoing = norms(params, group)
    return incoming * outgoing


def inverse(norm: Tensor) -> Tensor:
    """One over ``norm``, and 0 where that is 0: the subgradient of a norm there."""
    return torch.where(norm > 0, norm.reciprocal(), torch.zeros_like(norm))


def scale_incoming(first: Tensor, factor: Tensor) -> Tensor:
    """Multiply every unit's row of ``first``, ``[K, N, ...]``, by its ``factor``, ``[K, N]``."""
    return first * factor.view(*factor.shape, *[1] * (first.ndim - 2))


def scale_outgoing(second: Tensor, factor: Tensor) -> Tensor:
    """Multiply every unit's columns of ``second`` by its ``factor``, ``[K, N]``.

    ``second`` is ``[K, out, N, ...]``, or ``[K, out, N * positions]`` behind flattened channels.
    """
    by_unit = second.reshape(*second.shape[:2], factor.shape[1], -1)
    return (by_unit * factor[:, None, :, None]).view(second.shape)


def to_length_one(norm: Tensor) -> Tensor:
    """Factor that brings weights of this ``norm``, at least 1e-6, to length 1; 1 where it is 0."""
    return torch.where(norm > 0, norm.clamp_min(1e-6).reciprocal(), 1.0)
