"""The run axis: every tensor of a pack leads with ``K``, and these helpers respect it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_leaves, tree_map

Tree = dict[str, Tensor]
"""Tensors by parameter name, each ``[K, ...]``."""


def per_run(value: Tensor, like: Tensor) -> Tensor:
    """View one value per run, ``[K]``, as ``[K, 1, ..., 1]`` so that it broadcasts to ``like``.

    Raises:
        ValueError: ``value`` has not exactly one entry per run of ``like``.
    """
    if value.shape != like.shape[:1]:
        raise ValueError(
            f"needs one value per run, shape [{like.shape[0]}], got {list(value.shape)}"
        )
    return value.view(-1, *[1] * (like.ndim - 1))


def run_dims(like: Tensor) -> tuple[int, ...]:
    """Every axis but the run axis: the ones that a per-run statistic reduces over."""
    return tuple(range(1, like.ndim))


def over_runs(of_one: Callable[..., Any], in_dims: tuple[int | None, ...]) -> Callable[..., Any]:
    """``torch.vmap`` over the run axis; a single run is computed as it stands, without vmap.

    vmap turns convolutions into grouped ones, which are slower and know no channels-last layout,
    and some layers do not work under it at all: such models are trained as packs of one.

    Args:
        of_one: function of trees and tensors without run axis, which may write into its buffers.
        in_dims: 0 for each argument that leads with the run axis, else ``None``; the first is 0.
    """
    of_many = vmap(of_one, in_dims)

    def of_runs(*arguments: Any) -> Any:
        if len(tree_leaves(arguments[0])[0]) > 1:
            return of_many(*arguments)
        alone = [
            tree_map(lambda tensor: tensor[0], argument) if dim == 0 else argument
            for argument, dim in zip(arguments, in_dims, strict=True)
        ]
        return tree_map(lambda tensor: tensor[None], of_one(*alone))

    return of_runs
