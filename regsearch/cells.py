"""The run axis: every tensor of a pack leads with ``K``, and these helpers respect it."""

from __future__ import annotations

from torch import Tensor

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
