"""Regularizers in a plain PyTorch loop, on any torch optimizer: one model is a pack of one."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from regsearch.attached import Attached
from regsearch.errors import SpecError
from regsearch.mistakes import sentences
from regsearch.regularizers import REGULARIZERS
from regsearch.regularizers.reparametrize import fold
from regsearch.space import Kind

__all__ = ["Attached", "attach", "constrain", "fold"]


def attach(optimizer: torch.optim.Optimizer, model: nn.Module, kind: str, **hp: Any) -> Attached:
    """Make every ``optimizer.step()`` apply the regularizer ``kind`` to the weights of ``model``.

    Gradients and weights are changed just before the step, or in it, right after a closure has
    computed the gradients; weights and momentum just after it. Learning rates are read from the
    param groups, so schedulers work. Several methods act in the order in which they were attached,
    all of them in each of these phases. Parameters without a gradient are left alone.

    Attach once the weights have their initial values and the optimizer holds all that it will
    train; random methods draw from the seed that torch has at that moment. To resume, save
    ``state_dict()`` of what is returned beside those of the model and the optimizer, and load it
    into what ``attach`` returns then.

    Raises:
        UnknownName: there is no regularizer ``kind``.
        SpecError: a hyper-parameter is unknown, missing or out of range, the model has not what
            the method needs or is not what the optimizer trains, or the method acts on the model
            alone (``constrain``).
    """
    method, config = REGULARIZERS[kind], _config(kind, hp)
    if method.rebuilds:
        raise SpecError(
            [
                f"{kind} re-parametrises the model: call regsearch.constrain(model, {kind!r}, ...) "
                "before the optimizer is made, in place of attach"
            ]
        )
    return Attached(optimizer, model, method, config)


def constrain(model: nn.Module, kind: str, **hp: Any) -> nn.Module:
    """Re-parametrise ``model`` as ``kind`` wants it; methods that do not, leave it as it is.

    Call it before the optimizer is made, since the parameters may be other ones afterwards.

    Raises:
        UnknownName: there is no regularizer ``kind``.
        SpecError: a hyper-parameter is unknown, missing or out of range.
    """
    return REGULARIZERS[kind].build(model, _config(kind, hp))


def _config(kind: str, hp: dict[str, Any]) -> Kind:
    config, values = REGULARIZERS[kind].config, {"kind": kind, **hp}
    try:
        return config.model_validate(values)
    except ValidationError as failed:
        raise SpecError(sentences(failed, config, values)) from None
