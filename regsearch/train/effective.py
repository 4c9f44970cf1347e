"""The weights that layers use: parametrizations evaluated, under the layers' own names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrize

from regsearch.cells import Tree, over_runs


class _Weights(nn.Module):
    """Returns the parametrized tensors of ``model`` in place of its output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self) -> dict[str, Tensor]:
        return {
            f"{prefix}.{name}".lstrip("."): getattr(module, name)
            for prefix, module in self.model.named_modules()
            if parametrize.is_parametrized(module)
            for name in module.parametrizations
        }


@torch.no_grad()
def effective_weights(model: nn.Module, params: Tree, buffers: Tree) -> Tree:
    """Parameters of K runs as their layers use them, ``[K, ...]`` each.

    What is not parametrized is handed through; ``0.parametrizations.weight.original`` becomes
    ``0.weight``.
    """
    if not any(parametrize.is_parametrized(module) for module in model.modules()):
        return params
    weights = _Weights(model)

    def evaluate(params: Tree, buffers: Tree) -> Tree:
        inside = {f"model.{name}": value for name, value in (params | buffers).items()}
        return functional_call(weights, inside, ())

    plain = {name: value for name, value in params.items() if "parametrizations" not in name}
    return plain | over_runs(evaluate, (0, 0))(params, buffers)
