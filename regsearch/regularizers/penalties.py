"""What penalties on weights and on homogeneous units have in common."""

from __future__ import annotations

from torch import Tensor, nn

from regsearch.cells import Tree, per_run
from regsearch.regularizers.scope import names_in_scope
from regsearch.space import Kind
from regsearch.unit_search import split
from regsearch.units import UnitGroup, Units, scale_incoming, scale_outgoing


def plan_units(model: nn.Module, params: Tree, config: Kind) -> Units:
    """The homogeneous units, and the weights outside them.

    Raises:
        SpecError: the model has no such units, or does not train all of their weights.
    """
    return split(model, params, names_in_scope(model, params, "weights"), config.kind)


def decayed(grads: Tree, params: Tree, strength: Tensor, names: list[str]) -> Tree:
    """``grads`` and those of half the squared norm of ``names``, times ``strength``, ``[K]``."""
    return grads | {
        name: grads[name] + per_run(strength, params[name]) * params[name] for name in names
    }


def pulled(grads: Tree, params: Tree, group: UnitGroup, rows: Tensor, columns: Tensor) -> Tree:
    """``grads`` and the weights of each unit times its ``rows`` and ``columns``, ``[K, N]``."""
    first, second = group.first, group.second
    return grads | {
        first: grads[first] + scale_incoming(params[first], rows),
        second: grads[second] + scale_outgoing(params[second], columns),
    }
