r"""PathProx: proximal gradient descent on the path norm (Yang and others, algorithm 1).

After each step of the optimizer the layers are balanced, every unit's incoming weights are brought
to length 1, and its outgoing weights pass the proximal map of their norm, which makes them exactly
zero where the norm is no more than ``lr * strength``.

The paper's optimizer is plain SGD. Others run, momentum included, but the theory of proximal
steps does not cover them.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.penalties import decayed, plan_units
from regsearch.space import Kind, Real
from regsearch.units import (
    UnitGroup,
    inverse,
    norms,
    scale_incoming,
    scale_outgoing,
    to_length_one,
)


class PathProx(Kind):
    """Confines incoming weights to the unit sphere and shrinks outgoing ones to exact zeros."""

    kind: Literal["pathprox"] = "pathprox"
    strength: Annotated[Real, Field(ge=0, description="of the path norm, lambda in the paper")]
    balance: Annotated[
        bool, Field(description="make all groups of layers equal in path norm before each prox")
    ] = True
    preserve: Annotated[
        bool, Field(description="give outgoing weights the length taken from incoming ones")
    ] = False
    regularize_bias: Annotated[
        bool, Field(description="count biases among the weights; needs balance: false")
    ] = False

    @model_validator(mode="after")
    def _bias_or_balance(self) -> PathProx:
        if self.regularize_bias and self.balance:
            raise ValueError(
                "regularize_bias: true needs balance: false, for balancing scales biases alone"
            )
        return self


class Projected(NamedTuple):
    """The chains of groups, what decays outside them, and how the projection is done."""

    chains: list[list[UnitGroup]]
    rest: list[str]
    balance: bool
    preserve: bool
    regularize_bias: bool


def plan(model: nn.Module, params: Tree, config: PathProx) -> Projected:
    """Find the units.

    Raises:
        SpecError: the model has no homogeneous units.
    """
    units = plan_units(model, params, config)
    rest = units.rest
    if config.regularize_bias:
        layers = [weight.removesuffix("weight") for weight in rest]
        own = [f"{layer}bias" for layer in layers if f"{layer}bias" in params]
        rest = rest + own + [g.second_bias for g in units.groups if g.second_bias is not None]
    return Projected(units.chains, rest, config.balance, config.preserve, config.regularize_bias)


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: Projected) -> Tree:
    r"""Weight decay of what is in no group, :math:`\tfrac{\lambda}{2} \lVert U \rVert^2`."""
    return decayed(grads, params, hp["strength"], plan.rest)


def after_step(params: Tree, momentum: Tree, hp: Hparams, plan: Projected) -> tuple[Tree, Tree]:
    r"""Balance, project and shrink all units, and leave the momentum alone.

    .. math::
        w_i \leftarrow \frac{w_i}{\lVert w_i \rVert}, \quad
        b_i \leftarrow \frac{b_i}{\lVert w_i \rVert}, \quad
        v_i \leftarrow \max\Big(0, 1 - \frac{\eta \lambda}{\lVert v_i \rVert}\Big) v_i

    The projection changes the function, as in the paper; with ``preserve`` :math:`v_i` is first
    multiplied by :math:`\lVert w_i \rVert`, so that it does not. A unit without incoming weights
    keeps its bias, which the released code multiplies by a million in every step.
    """
    params, threshold = dict(params), hp["lr"] * hp["strength"]
    for chain in plan.chains:
        sizes = [_sizes(params, group, plan.regularize_bias) for group in chain]
        path_norms = torch.stack([(w * v).sum(1) for w, v in sizes])
        gains = balancing(path_norms) if plan.balance else torch.ones_like(path_norms)
        scale = torch.ones_like(gains[0])  # of what enters the group
        for group, (incoming, outgoing), gain in zip(chain, sizes, gains, strict=True):
            shorten = to_length_one(incoming)
            stretch = gain[:, None] / shorten if plan.preserve else gain[:, None]
            columns = stretch * shrinking(stretch * outgoing, threshold[:, None])
            params[group.first] = scale_incoming(params[group.first], shorten)
            params[group.second] = scale_outgoing(params[group.second], columns)
            if group.first_bias is not None:
                params[group.first_bias] = scale[:, None] * shorten * params[group.first_bias]
            scale = scale * gain
            if group.second_bias is not None:
                params[group.second_bias] = scale[:, None] * params[group.second_bias]
    return params, momentum


def balancing(path_norms: Tensor) -> Tensor:
    r"""Factors of the second layers of a chain's G groups, ``[G, K]``, from their path norms.

    .. math:: s_g = \Big( \prod_h P_h \Big)^{1/G} \Big/ P_g, \qquad \prod_g s_g = 1

    What leaves group g is scaled by :math:`s_1 \cdots s_g`; with the biases scaled alike, the chain
    puts out what it did. A group whose units are all dead, :math:`P_g = 0`, takes no part; the
    released code balances it as if it had 1e-6.
    """
    alive = path_norms > 0
    logs = torch.where(alive, path_norms.double(), 1.0).log()
    mean = logs.sum(0) / alive.sum(0).clamp_min(1)
    return torch.where(alive, (mean - logs).exp(), 1.0).to(path_norms.dtype)


def shrinking(norm: Tensor, threshold: Tensor) -> Tensor:
    r"""Factor by which the proximal map of ``threshold`` times the norm shortens a vector.

    .. math:: \max(0, 1 - t / \lVert v \rVert)
    """
    return (1 - threshold * inverse(norm)).clamp_min(0)


def _sizes(params: Tree, group: UnitGroup, with_bias: bool) -> tuple[Tensor, Tensor]:
    incoming, outgoing = norms(params, group)
    if with_bias and group.first_bias is not None:
        incoming = torch.hypot(incoming, params[group.first_bias])
    return incoming, outgoing


REGULARIZERS.add(
    "pathprox",
    Regularizer(
        config=PathProx,
        description="unit-length incoming weights, proximal steps on outgoing ones: exact zeros",
        plan=plan,
        on_grads=on_grads,
        after_step=after_step,
    ),
)
