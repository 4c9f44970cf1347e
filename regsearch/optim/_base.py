"""What an optimizer is: a pure update of parameters that lead with the run axis ``K``.

torch's own optimizers hold one learning rate for all parameters, so a pack of runs with a learning
rate each needs its own rules; each is checked step by step against torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from regsearch.cells import Tree
from regsearch.registry import Registry
from regsearch.space import Kind

Slots = dict[str, Tree]
"""Moving averages by torch's names (``momentum_buffer``, ``exp_avg`` ...), shaped as the params."""


def zeros(params: Tree) -> Tree:
    """Moving averages before the first step."""
    return {name: torch.zeros_like(param) for name, param in params.items()}


def _lr(hp: dict[str, Tensor], config: Any) -> Tensor:
    return hp["lr"]


def _params(params: Tree, slots: Slots, step: Tensor, config: Any) -> Tree:
    return params


def _same_slots(params: Tree, slots: Slots, config: Any) -> Slots:
    return slots


class Optimizer(NamedTuple):
    """One update rule.

    ``slots(params, config)`` makes the moving averages before the first step; ``momentum(config)``
    names the one that a regularizer scales together with the weights, or is ``None``.
    ``update(params, grads, slots, step, hp, config)`` returns new params and slots; ``step`` is a
    scalar tensor that counts from 1, ``hp`` holds the real-valued fields of ``config`` and the
    run's ``seed`` (int64), ``[K]`` each, and ``config`` is read for structure only (such as
    ``nesterov``). ``rate(hp, config)`` is the learning rate of that step, ``[K]``, to which
    regularizers hold.

    ``weights(params, slots, step, config)`` are those to measure and to keep after ``step`` steps,
    where they are not the ones at which gradients are taken; ``restart(params, slots, config)`` are
    the moving averages with which training goes on from other weights than the last step left.
    """

    config: type[Kind]
    description: str
    slots: Callable[[Tree, Any], Slots]
    momentum: Callable[[Any], str | None]
    update: Callable[[Tree, Tree, Slots, Tensor, dict[str, Tensor], Any], tuple[Tree, Slots]]
    rate: Callable[[dict[str, Tensor], Any], Tensor] = _lr
    weights: Callable[[Tree, Slots, Tensor, Any], Tree] = _params
    restart: Callable[[Tree, Slots, Any], Slots] = _same_slots


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer")
