"""One training step of K runs, as one pure function that can be compiled whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from regsearch.cells import Tree
from regsearch.optim import OPTIMIZERS, Slots
from regsearch.regularizers import REGULARIZERS, Hparams, Plan
from regsearch.space import Kind

Loss = Callable[[Tensor, Tensor], Tensor]
"""Mean loss of one run on one batch from logits ``[B, C]`` and labels ``[B]``."""


class State(NamedTuple):
    """Everything that a step changes."""

    params: Tree  # [K, ...] each
    buffers: Tree  # of the model, such as running means, [K, ...] each
    slots: Slots  # of the optimizer
    step: Tensor  # number of steps done, int64 scalar


class Hyper(NamedTuple):
    """Real-valued hyper-parameters, ``[K]`` each: data of the program, never part of it."""

    optimizer: dict[str, Tensor]
    regularizers: list[Hparams]  # one for each, in the order in which they act


class Sums(NamedTuple):
    """What was seen while training, summed over examples: losses and hits before each update."""

    loss: Tensor  # [K]
    correct: Tensor  # [K], int64


class Program(NamedTuple):
    """The structure of a step: all that is the same for the runs of a pack."""

    model: nn.Module  # without data: parameters and buffers are handed in
    optimizer: Kind
    regularizers: Sequence[Kind]
    loss: Loss = nn.functional.cross_entropy
    precision: str = "fp32"  # bf16: the forward pass is autocast
    batches: str = "shared"  # independent: inputs are [K, B, ...]


Step = Callable[[State, Hyper, list[Plan], Tensor, Tensor], tuple[State, Sums]]


def make_step(program: Program) -> Step:
    """Step on inputs ``[B, ...]`` (or ``[K, B, ...]``) and labels ``[K, B]``.

    A run that becomes non-finite stays so, and touches no other.
    """
    gradients = vmap(
        grad_and_value(_loss_of_one_run(program), has_aux=True),
        in_dims=(0, 0, None if program.batches == "shared" else 0, 0),
    )

    def step(
        state: State, hyper: Hyper, plans: list[Plan], x: Tensor, y: Tensor
    ) -> tuple[State, Sums]:
        buffers = {name: buffer.clone() for name, buffer in state.buffers.items()}
        grads, (loss, logits) = gradients(state.params, buffers, x, y)
        with torch.no_grad():
            params, slots = apply(program, state, grads, hyper, plans)
            correct = (logits.argmax(-1) == y).sum(-1)
            return State(params, buffers, slots, state.step + 1), Sums(loss * y.shape[1], correct)

    return step


def apply(
    program: Program, state: State, grads: Tree, hyper: Hyper, plans: list[Plan]
) -> tuple[Tree, Slots]:
    """Regularizers and optimizer: new parameters and moving averages from the gradients."""
    phases = [
        (REGULARIZERS[config.kind], hp, plan)
        for config, hp, plan in zip(program.regularizers, hyper.regularizers, plans, strict=True)
    ]
    optimizer, params, slots = OPTIMIZERS[program.optimizer.kind], state.params, state.slots
    for method, hp, plan in phases:
        grads = method.on_grads(grads, params, hp, plan)
    for method, hp, plan in phases:
        params = method.before_step(params, grads, hp, plan)
    step = state.step + 1
    params, slots = optimizer.update(params, grads, slots, step, hyper.optimizer, program.optimizer)
    slot = optimizer.momentum(program.optimizer)
    momentum = slots[slot] if slot else {}
    for method, hp, plan in phases:
        params, momentum = method.after_step(params, momentum, hp, plan)
    return params, slots | {slot: momentum} if slot else slots


def _loss_of_one_run(
    program: Program,
) -> Callable[[Tree, Tree, Tensor, Tensor], tuple[Tensor, Tensor]]:
    def loss(params: Tree, buffers: Tree, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=program.precision == "bf16"):
            logits = functional_call(program.model, (params, buffers), (x,))
        logits = logits.float()
        return program.loss(logits, y), logits

    return loss
