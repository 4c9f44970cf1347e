"""What a regularizer is: a record of pure phases that act at fixed moments of a training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.registry import Registry
from regsearch.space import Kind

Hparams = dict[str, Tensor]
"""What may differ from run to run, ``[K]`` each.

The real-valued hyper-parameters of the method, the current ``lr``, the number ``step`` of the step
(int64, from 1) and the run's ``seed`` (int64), from which ``regsearch.draws`` makes random numbers.
"""

Plan = Any
"""What a method worked out about the model once per pack: a tuple of its own, with names of
parameters, switches, and tensors that lead with ``K``."""


class Quantizer(NamedTuple):
    """How weights become discrete: ``weights(params, hp, plan)``, after every so many epochs."""

    every: int
    weights: Callable[[Tree, Hparams, Any], Tree]


def _same_model(model: nn.Module, config: Any) -> nn.Module:
    return model


def _no_plan(model: nn.Module, params: Tree, config: Any) -> Plan:
    return None


def _same_grads(grads: Tree, params: Tree, hp: Hparams, plan: Plan) -> Tree:
    return grads


def _same_params(params: Tree, grads: Tree, hp: Hparams, plan: Plan) -> Tree:
    return params


def _same_state(params: Tree, momentum: Tree, hp: Hparams, plan: Plan) -> tuple[Tree, Tree]:
    return params, momentum


def _not_quantized(config: Any) -> Quantizer | None:
    return None


def _no_problems(config: Any, lr: float) -> list[str]:
    return []


class Regularizer(NamedTuple):
    """Where a method acts on training; every phase is pure and leaves the run axis alone.

    ``config`` declares the hyper-parameters. ``build`` and ``plan`` see it; the other phases see
    tensors only. The order within a step is gradients, ``on_grads``, ``before_step``, the
    optimizer, ``after_step``.

    ``quantizer(config)`` says whether and how weights become discrete between epochs, and
    ``problems(config, lr)`` what makes no sense at the learning rate ``lr``, a sentence each.

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
    quantizer: Callable[[Any], Quantizer | None] = _not_quantized
    problems: Callable[[Any, float], list[str]] = _no_problems
    neutral: dict[str, float] = {}  # noqa: RUF012 - read only

    @property
    def rebuilds(self) -> bool:
        """Whether it re-parametrises a model, which can be done once."""
        return self.build is not _same_model


REGULARIZERS: Registry[Regularizer] = Registry("regularizer")
