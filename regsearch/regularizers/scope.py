"""Which parameters a method acts on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrize import ParametrizationList

from regsearch.cells import Tree
from regsearch.errors import SpecError
from regsearch.registry import nearest

Scope = Annotated[
    Literal["weights", "no_biases", "all"],
    Field(
        description="weights: no biases, norm layers and embeddings; no_biases: weights, and the "
        "scales of norm layers; all: every parameter, but for the learnt scales of "
        "weight_norm and enc"
    ),
]

Exclude = Annotated[
    list[str],
    Field(description="parameters to leave alone, by name or shell pattern, such as `0.*`"),
]

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
TABLES = (nn.Embedding, nn.EmbeddingBag)

_PARAMETRIZED = re.compile(r"(.*\.)?parametrizations\.([^.]+)\.(.+)")


def names_in_scope(
    model: nn.Module, params: Tree, scope: Scope, exclude: Sequence[str] = ()
) -> list[str]:
    """Those of ``params``, ``[K, ...]`` each, that ``scope`` stands for and ``exclude`` does not.

    ``weights`` are the matrices and kernels: at least two axes, no bias, of no norm layer, and no
    table of embeddings. Numbers and vectors that a parametrized weight is scaled by are in no
    scope. A pattern is compared with the name of the parameter and, where that is parametrized,
    with the layer's own name for it (``0.weight``).

    Raises:
        SpecError: a pattern that matches no parameter of the model.
    """
    _refuse_idle(exclude, [*params, *(name for name, _ in model.named_parameters())])
    return [
        name
        for name, param in params.items()
        if _is_in(model, name, param.ndim - 1, scope) and not _matches(name, exclude)
    ]


def natural_name(name: str) -> str:
    """``0.weight`` for ``0.parametrizations.weight.original``; other names as they are."""
    found = _PARAMETRIZED.fullmatch(name)
    return f"{found[1] or ''}{found[2]}" if found else name


def owner(model: nn.Module, name: str) -> nn.Module:
    """The layer that uses the parameter ``name``."""
    return model.get_submodule(natural_name(name).rpartition(".")[0])


def _is_in(model: nn.Module, name: str, ndim: int, scope: Scope) -> bool:
    if _is_scale(model, name):
        return False
    if scope == "all":
        return True
    if "bias" in natural_name(name).rpartition(".")[2]:  # also bias_ih_l0 and in_proj_bias
        return False
    layer = owner(model, name)
    if isinstance(layer, NORMS):
        return scope == "no_biases"
    return ndim >= 2 and not isinstance(layer, TABLES)


def _is_scale(model: nn.Module, name: str) -> bool:
    """Whether it is a number or vector that a parametrized weight is multiplied by."""
    if natural_name(name) == name:
        return False
    home, _, last = name.rpartition(".")
    holder = model.get_submodule(home)
    own = dict(holder.named_parameters(recurse=False))
    if own[last].squeeze().ndim > 1:
        return False
    if not isinstance(holder, ParametrizationList):
        return True
    return _extent(own[last]) < max(map(_extent, own.values()))


def _extent(param: Tensor) -> tuple[int, int]:
    return param.ndim, param.numel()


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(
        fnmatchcase(spelt, pattern) for pattern in patterns for spelt in (name, natural_name(name))
    )


def _refuse_idle(patterns: Sequence[str], names: Sequence[str]) -> None:
    known = list(dict.fromkeys(natural_name(name) for name in names))
    problems = [
        f"exclude: no parameter matches {pattern!r}.{nearest(pattern, known)} "
        f"Parameters: {', '.join(known)}"
        for pattern in patterns
        if not any(_matches(name, [pattern]) for name in names)
    ]
    if problems:
        raise SpecError(problems)
