"""Which parameters a method acts on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regsearch.cells import Tree

Scope = Annotated[
    Literal["weights", "all"],
    Field(description="weights: no biases, norm layers and embeddings; all: every parameter"),
]


def names_in_scope(model: nn.Module, params: Tree, scope: Scope) -> list[str]:
    """Those of ``params`` that ``scope`` stands for.

    ``weights`` are the matrices and kernels: at least two axes, and not a table of embeddings.
    """
    names = []
    for prefix, module in model.named_modules():
        table = isinstance(module, nn.Embedding | nn.EmbeddingBag)
        for name, param in module.named_parameters(prefix, recurse=False):
            if name in params and (scope == "all" or (param.ndim >= 2 and not table)):
                names.append(name)
    return names
