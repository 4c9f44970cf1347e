"""Layers that compute with a function of their raw weights: how it is put on, and folded in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import parametrize

from regsearch.errors import RegsearchError

Head = Annotated[
    Literal["exempt", "bn", "bare"],
    Field(
        description="the last layer, a classifier: left alone (exempt), like the others with batch "
        "norm after it (bn), or like the others as it is (bare)"
    ),
]

NORM_AFTER: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: nn.BatchNorm1d,
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
    nn.Conv3d: nn.BatchNorm3d,
}
"""Layers that can be re-parametrised, and the batch norm that fits their outputs."""

Make = Callable[[Tensor], nn.Module | None]
"""From a layer's initial weights ``[m, ...]`` to the function of the raw ones; None: leave it."""


def reparametrize(model: nn.Module, kind: str, head: str, make: Make) -> nn.Module:
    """Put ``make(weight)`` on every linear and convolutional layer of ``model``, in place.

    The layer that is defined last counts as the head. Biases, norm layers, embeddings and
    transposed convolutions are left alone. Nothing has changed where this raises.

    Raises:
        RegsearchError: no layer is left to act on, one has a parametrization already, or its
            initial weights have no direction.
    """
    layers = _layers(model, kind)
    last, final = list(layers.items())[-1]
    acts_on = {name: layer for name, layer in layers.items() if name != last or head != "exempt"}
    made = {name: make(_weight(layer)) for name, layer in acts_on.items()}
    put = {name: function for name, function in made.items() if function is not None}
    if not put:
        raise RegsearchError(
            f"{kind} has no layer to act on: head {head!r} and single weights leave alone all of "
            f"{_listed(layers)}; write head: bare or bn, or give the model a hidden layer"
        )
    for name, function in put.items():
        _refuse_directionless(function, _weight(layers[name]), f"{kind}: layer {name!r}")
    for name, function in put.items():
        parametrize.register_parametrization(layers[name], "weight", function)
    return _norm_after(model, last, final) if head == "bn" else model


def fold(model: nn.Module) -> nn.Module:
    """Make the weights that layers compute with their own ones, for inference; in place.

    The result is as fast as a model that was never re-parametrised, can be pickled, and has its
    parameter names. Copies of ``model`` made before stay as they are: torch's own
    ``remove_parametrizations`` takes the weights of a ``deepcopy`` with it.
    """
    for layer in model.modules():
        if parametrize.is_parametrized(layer):
            functions: nn.ModuleDict = layer.parametrizations  # type: ignore[assignment]
            layer_type = parametrize.type_before_parametrizations(layer)
            with torch.no_grad():
                folded = {name: function() for name, function in functions.items()}
            del layer.parametrizations
            layer.__class__ = layer_type
            for name, weight in folded.items():
                trained = any(raw.requires_grad for raw in functions[name].parameters())
                setattr(layer, name, nn.Parameter(weight, requires_grad=trained))
    return model


def _layers(model: nn.Module, kind: str) -> dict[str, nn.Module]:
    kinds = tuple(NORM_AFTER)
    found = {name: layer for name, layer in model.named_modules() if isinstance(layer, kinds)}
    if not found:
        others = sorted({type(module).__name__ for module in model.modules()})
        raise RegsearchError(
            f"{kind} acts on layers of type {', '.join(t.__name__ for t in kinds)}, and the "
            f"model has none, only {', '.join(others)}; take another model or regularizer"
        )
    if taken := {n: m for n, m in found.items() if parametrize.is_parametrized(m, "weight")}:
        raise RegsearchError(
            f"{kind} finds {_listed(taken)} re-parametrised already; apply one of the methods "
            "that do, or fold the model first"
        )
    return found


def _weight(layer: nn.Module) -> Tensor:
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return weight


def _listed(layers: dict[str, nn.Module]) -> str:
    shown = [
        f"{name!r} ({parametrize.type_before_parametrizations(layer).__name__} "
        f"{list(_weight(layer).shape)})"
        for name, layer in layers.items()
    ]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


@torch.no_grad()
def _refuse_directionless(function: nn.Module, weight: Tensor, place: str) -> None:
    if weight.is_meta:
        return
    raw = function.right_inverse(weight)  # type: ignore[operator]
    effective = function(*raw) if isinstance(raw, tuple) else function(raw)
    if not effective.isfinite().all():
        raise RegsearchError(
            f"{place} starts with weights that are not finite, all zero or all equal, which have "
            "no direction to keep; initialise them at random, or exempt a zero head"
        )


def _norm_after(model: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    weight = _weight(layer)
    norm = next(norm for kind, norm in NORM_AFTER.items() if isinstance(layer, kind))
    both = nn.Sequential(layer, norm(len(weight), device=weight.device, dtype=weight.dtype))
    if not name:
        return both.train(model.training)
    model.set_submodule(name, both.train(layer.training))
    return model
