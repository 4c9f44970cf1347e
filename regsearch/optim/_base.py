"""What an optimizer is: a pure update of parameters that lead with the run axis ``K``.

torch's own optimizers hold one learning rate for all parameters, so a pack of runs with a learning
rate each needs its own rules; each is checked step by step against torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from regsearch.cells import Tree
from regsearch.registry import Registry
from regsearch.space import Kind

Slots = dict[str, Tree]
"""Moving averages by torch's names (``momentum_buffer``, ``exp_avg`` ...), shaped as the params."""


class Optimizer(NamedTuple):
    """One update rule.

    ``slots(config)`` names the moving averages, which start at zero; ``momentum(config)`` names
    the one that a regularizer scales together with the weights, or is ``None``.
    ``update(params, grads, slots, step, hp, config)`` returns new params and slots; ``step`` is a
    scalar tensor that counts from 1, ``hp`` holds the real-valued fields of ``config``, ``[K]``
    each, and ``config`` is read for structure only (such as ``nesterov``).
    """

    config: type[Kind]
    description: str
    slots: Callable[[Any], tuple[str, ...]]
    momentum: Callable[[Any], str | None]
    update: Callable[[Tree, Tree, Slots, Tensor, dict[str, Tensor], Any], tuple[Tree, Slots]]


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer")
