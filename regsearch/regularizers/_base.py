"""What a regularizer is: a record of pure phases that act at fixed moments of a training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.registry import Registry
from regsearch.space import Kind

Hparams = dict[str, Tensor]
"""Real-valued hyper-parameters of one regularizer and the current ``lr``, ``[K]`` each."""

Plan = dict[str, Tree]
"""What a regularizer worked out once per pack: named trees of tensors that lead with ``K``."""


def _same_model(model: nn.Module, config: Any) -> nn.Module:
    return model


def _no_plan(model: nn.Module, params: Tree, config: Any) -> Plan:
    return {}


def _same_grads(grads: Tree, params: Tree, hp: Hparams, plan: Plan) -> Tree:
    return grads


def _same_params(params: Tree, grads: Tree, hp: Hparams, plan: Plan) -> Tree:
    return params


def _same_state(params: Tree, momentum: Tree, hp: Hparams, plan: Plan) -> tuple[Tree, Tree]:
    return params, momentum


class Regularizer(NamedTuple):
    """Where a method acts on training; every phase is pure and leaves the run axis alone.

    ``config`` declares the hyper-parameters. ``build`` and ``plan`` see it; the other phases see
    tensors only. The order within a step is gradients, ``on_grads``, ``before_step``, the
    optimizer, ``after_step``.

    ``neutral`` holds hyper-parameters and the values at which, together, they make the method do
    nothing, whatever the others are; empty where there are none.
    """

    config: type[Kind]
    description: str
    build: Callable[[nn.Module, Any], nn.Module] = _same_model
    plan: Callable[[nn.Module, Tree, Any], Plan] = _no_plan
    on_grads: Callable[[Tree, Tree, Hparams, Plan], Tree] = _same_grads
    before_step: Callable[[Tree, Tree, Hparams, Plan], Tree] = _same_params
    after_step: Callable[[Tree, Tree, Hparams, Plan], tuple[Tree, Tree]] = _same_state
    neutral: dict[str, float] = {}  # noqa: RUF012 - read only


REGULARIZERS: Registry[Regularizer] = Registry("regularizer")
