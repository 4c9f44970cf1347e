"""Decay to a small norm instead of zero: weight decay for weights whose scale is immaterial.

Li, Chen, Xia and Yang, "Understanding the Disharmony between Weight Normalization Family and
Weight Decay: epsilon-shifted L2 Regularizer" (2019). Where a layer normalises its weights, an L2
term only shrinks the raw ones and so raises the effective learning rate without end; a scale above
zero to rest at stops that.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from regsearch.cells import Tree, per_run
from regsearch.regularizers._base import REGULARIZERS, Hparams, Regularizer
from regsearch.regularizers.forms import FORMS, Form, FormName, fitting_form, norms
from regsearch.regularizers.scope import Exclude, names_in_scope
from regsearch.space import Kind, Real


class ShiftedDecay(Kind):
    """Pulls raw weights to a scale ``shift``; beside enc, with the same ``form``."""

    kind: Literal["shifted_decay"] = "shifted_decay"
    decay: Annotated[Real, Field(ge=0, description="strength, lambda in the papers")] = 1e-4
    shift: Annotated[
        Real, Field(ge=0, description="scale at rest, epsilon in the paper; 0: L2 in the gradient")
    ] = 1e-3
    form: FormName = "ws"
    exclude: Exclude = Field(default=[])


class Shifted(NamedTuple):
    """The parameters that decay, and in which form each."""

    forms: dict[str, Form]


def plan(model: nn.Module, params: Tree, config: ShiftedDecay) -> Shifted:
    """Every matrix and kernel, whether its layer normalises it or not, in the form of ``enc``."""
    names = names_in_scope(model, params, "weights", config.exclude)
    simplest = FORMS["norm"]
    return Shifted({n: fitting_form(config.form, params[n][0]) or simplest for n in names})


def on_grads(grads: Tree, params: Tree, hp: Hparams, plan: Shifted) -> Tree:
    """Add the gradient of the penalty, which so enters the optimizer's averages."""
    return grads | {
        name: grads[name] + pull(params[name], hp["decay"], hp["shift"], form)
        for name, form in plan.forms.items()
    }


def pull(weight: Tensor, decay: Tensor, shift: Tensor, form: Form) -> Tensor:
    r"""Gradient of the shifted penalty at raw weights ``[K, m, ...]``.

    .. math::
        \tfrac\lambda2 \sum_j (\lVert W_j \rVert - \epsilon)^2
        \quad\text{or, centred,}\quad
        \tfrac\lambda2 \sum_j n \left[ (\sigma_j - \epsilon)^2 + \mu_j^2 \right]

    over rows :math:`j`, or the whole tensor as the only one, of :math:`n` weights with mean
    :math:`\mu_j` and population standard deviation :math:`\sigma_j`. The gradients are
    :math:`\lambda (W_j - \epsilon D_j / s_j)` with the direction :math:`D_j = W_j` and scale
    :math:`s_j = \lVert W_j \rVert`, or :math:`W_j - \mu_j` and :math:`\sigma_j`. Where the scale
    is zero the pull is to zero.

    Args:
        weight: raw weights, ``[K, m, ...]``.
        decay: lambda, ``[K]``, at least 0.
        shift: epsilon, ``[K]``, at least 0, in units of the scale.
        form: what shares a scale, and whether it is one about the mean.
    """
    axes = form.axes(weight, lead=1)
    direction = form.direction(weight, axes)
    scale = norms(direction, axes)
    if form.centred:
        scale = scale * (scale.numel() / weight.numel()) ** 0.5
    outwards = per_run(shift, scale) / scale.clamp_min(torch.finfo(scale.dtype).tiny)
    return per_run(decay, weight) * (weight - outwards * direction)


REGULARIZERS.add(
    "shifted_decay",
    Regularizer(
        config=ShiftedDecay,
        description="pull raw weights to a small scale instead of zero",
        plan=plan,
        on_grads=on_grads,
        neutral={"decay": 0.0},
    ),
)
