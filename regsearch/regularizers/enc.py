"""Equal norm constraint: all layers have weights of the same, given norm.

"Generalization Bound Regularizer: A Unified Perspective for Understanding Weight Decay", which
bounds a network's sensitivity by the product of its layers' norms and keeps each of them fixed.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from regsearch.regularizers._base import REGULARIZERS, Regularizer
from regsearch.regularizers.forms import Form, FormName, fitting_form, norms
from regsearch.regularizers.reparametrize import Head, reparametrize
from regsearch.space import Kind, Real


class Enc(Kind):
    """Holds the squared norm of every layer's weights at ``alpha``; only directions are learnt.

    Constrained layers need batch norm behind them, which makes their scale immaterial: then
    neither the network nor its gradients depend on ``alpha``, but for the ``eps`` of batch norm.
    """

    kind: Literal["enc"] = "enc"
    alpha: Annotated[
        Real,
        Field(gt=0, description="squared norm of a layer's weights; at the start, if learnable"),
    ] = 1.0
    form: FormName = "ws"
    learnable: Annotated[
        Literal["none", "layer", "shared"],
        Field(description="what learns its squared norm: nothing, each layer, or all one norm"),
    ] = "none"
    head: Head = "exempt"


class Target(nn.Module):
    r"""The squared norm that a layer shall have: :math:`A`, or :math:`A e^\rho` with rho learnt.

    ``rho`` starts at 0, and as a scale it is in no scope of those that decay.
    """

    alpha: Tensor  # a buffer: every run of a pack has its own

    def __init__(self, alpha: float, learnable: bool) -> None:
        super().__init__()
        self.register_buffer("alpha", torch.tensor(alpha, dtype=torch.float64))
        self.rho = nn.Parameter(torch.zeros(1)) if learnable else None

    def forward(self) -> Tensor:
        """Scalar, or ``[1]`` if it is learnt."""
        return self.alpha if self.rho is None else self.alpha * self.rho.exp()


class EqualNorm(nn.Module):
    r"""Weights ``[m, ...]`` of squared norm :math:`A` from raw ones of any norm.

    With :math:`D = W` or, if centred, :math:`W` less its mean over what shares a scale,

    .. math::
        \hat W = \sqrt{A}\, D / \lVert D \rVert_F
        \quad\text{or, by rows,}\quad
        \hat W_j = \sqrt{A / m}\, D_j / \lVert D_j \rVert.

    These are equations 20 (``norm``), 21 (``wn``), 22 (``ws``) and 23 (``centred``) of the paper.
    Equation 22 as printed has a further factor :math:`1/\sqrt n` for rows of :math:`n` weights,
    with which the squared norm is :math:`A/n`; dividing by the standard deviation instead of the
    norm, as here, mends it. The authors' public layer takes the unbiased one, plus 1e-5.
    """

    def __init__(self, form: Form, target: Target, owned: bool) -> None:
        super().__init__()
        self.form = form
        self._target = (target,)  # hidden from torch: functional_call wants parameters in one place
        if owned:
            self.target = target

    def forward(self, raw: Tensor) -> Tensor:
        """Effective weights, in the shape of the raw ones."""
        axes = self.form.axes(raw)
        direction = self.form.direction(raw, axes)
        shares = len(raw) if self.form.rows else 1
        return direction * ((self._target[0]() / shares).sqrt() / norms(direction, axes))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Raw weights with the direction of ``weight``: these themselves."""
        return weight


def build(model: nn.Module, config: Enc) -> nn.Module:
    """Constrain every linear and convolutional layer of ``model``.

    A layer whose rows are too short for ``form`` to leave them a choice gets a simpler one.

    Raises:
        RegsearchError: no layer is left to constrain, one has a parametrization already, or its
            initial weights have no direction.
    """
    shared: list[Target] = []

    def make(weight: Tensor) -> EqualNorm | None:
        form = fitting_form(config.form, weight)
        if form is None:
            return None
        if shared:
            return EqualNorm(form, shared[0], owned=False)
        target = Target(config.alpha, config.learnable != "none").to(weight)
        if config.learnable == "shared":
            shared.append(target)
        return EqualNorm(form, target, owned=True)

    return reparametrize(model, config.kind, config.head, make)


REGULARIZERS.add(
    "enc",
    Regularizer(config=Enc, description="equal norm of all layers (ENC)", build=build),
)
