"""One training step of K runs, as one pure function that can be compiled whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from regsearch.cells import Tree, over_runs, per_run
from regsearch.losses import LOSSES
from regsearch.optim import OPTIMIZERS, Slots
from regsearch.regularizers import REGULARIZERS, Hparams, Plan
from regsearch.space import Kind


class State(NamedTuple):
    """Everything that a step changes."""

    params: Tree  # [K, ...] each
    buffers: Tree  # of the model, such as running means, [K, ...] each
    slots: Slots  # of the optimizer
    step: Tensor  # number of steps done, int64 scalar


class Hyper(NamedTuple):
    """What differs from run to run, ``[K]`` each: data of the program, never part of it.

    A schedule writes the learning rate of each step into ``optimizer["lr"]``.
    """

    seed: Tensor  # int64
    optimizer: dict[str, Tensor]
    loss: dict[str, Tensor]
    regularizers: list[Hparams]  # one for each, in the order in which they act


class Sums(NamedTuple):
    """What was seen while training, summed over examples: losses and hits before each update."""

    loss: Tensor  # [K]
    correct: Tensor  # [K], int64; 0 where targets are values


class Mixed(NamedTuple):
    """Targets of a batch each of whose examples was mixed with a partner (Mixup, CutMix)."""

    own: Tensor  # [K, B] or [K, B, C]
    partner: Tensor  # likewise
    share: Tensor  # [K], of the example itself in the mixture, from 0 to 1


Targets = Tensor | Mixed
"""Of a batch: classes ``[K, B]`` or values ``[K, B, C]``, mixed or not."""


class Program(NamedTuple):
    """The structure of a step: all that is the same for the runs of a pack."""

    model: nn.Module  # without data: parameters and buffers are handed in
    optimizer: Kind
    regularizers: Sequence[Kind]
    loss: Kind
    precision: str = "fp32"  # bf16: the forward pass is autocast
    batches: str = "shared"  # independent: inputs are [K, B, ...]


Step = Callable[[State, Hyper, list[Plan], Tensor, Targets], tuple[State, Sums]]


def make_step(program: Program) -> Step:
    """Step on inputs ``[B, ...]`` (or ``[K, B, ...]``) and the runs' targets.

    A run that becomes non-finite stays so, and touches no other.
    """
    gradients = over_runs(
        grad_and_value(_loss_of_one_run(program), has_aux=True),
        in_dims=(0, 0, 0, None if program.batches == "shared" else 0, 0),
    )

    def step(
        state: State, hyper: Hyper, plans: list[Plan], x: Tensor, y: Targets
    ) -> tuple[State, Sums]:
        buffers = {name: buffer.clone() for name, buffer in state.buffers.items()}
        grads, (loss, outputs) = gradients(state.params, buffers, hyper.loss, x, y)
        with torch.no_grad():
            params, slots = apply(program, state, grads, hyper, plans)
            new = State(params, buffers, slots, state.step + 1)
            return new, Sums(loss * examples(y), _hits(outputs, y))

    return step


def apply(
    program: Program, state: State, grads: Tree, hyper: Hyper, plans: list[Plan]
) -> tuple[Tree, Slots]:
    """Regularizers and optimizer: new parameters and moving averages from the gradients."""
    optimizer, params = OPTIMIZERS[program.optimizer.kind], state.params
    step, runs = state.step + 1, len(hyper.seed)
    now = {
        "lr": optimizer.rate(hyper.optimizer, program.optimizer).float(),
        "step": step.expand(runs),
        "seed": hyper.seed,
    }
    phases = [
        (REGULARIZERS[config.kind], hp | now, plan)
        for config, hp, plan in zip(program.regularizers, hyper.regularizers, plans, strict=True)
    ]
    for method, hp, plan in phases:
        grads = method.on_grads(grads, params, hp, plan)
    for method, hp, plan in phases:
        params = method.before_step(params, grads, hp, plan)
    rates = hyper.optimizer | {"seed": hyper.seed}
    params, slots = optimizer.update(params, grads, state.slots, step, rates, program.optimizer)
    slot = optimizer.momentum(program.optimizer)
    momentum = slots[slot] if slot else {}
    for method, hp, plan in phases:
        params, momentum = method.after_step(params, momentum, hp, plan)
    return params, slots | {slot: momentum} if slot else slots


def examples(y: Targets) -> int:
    """How many examples of each run a batch holds."""
    return (y.own if isinstance(y, Mixed) else y).shape[1]


def _loss_of_one_run(program: Program) -> Callable[..., tuple[Tensor, Tensor]]:
    r"""The loss, and of mixed examples :math:`\lambda L(f, y) + (1 - \lambda) L(f, y')`.

    With the cross entropy, and with the squared error but for a term without gradient, this is the
    loss of mixed targets; it is the definition for the others.
    """
    of = LOSSES[program.loss.kind].of

    def loss(
        params: Tree, buffers: Tree, hp: dict[str, Tensor], x: Tensor, y: Targets
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=program.precision == "bf16"):
            outputs = functional_call(program.model, (params, buffers), (x,))
        outputs = outputs.float()
        if isinstance(y, Mixed):
            own, partner = (of(outputs, t, hp, program.loss) for t in (y.own, y.partner))
            return torch.lerp(partner, own, y.share), outputs
        return of(outputs, y, hp, program.loss), outputs

    return loss


def _hits(outputs: Tensor, targets: Targets) -> Tensor:
    """How many examples of each run are classified; mixed ones as that which prevails in them."""
    if isinstance(targets, Mixed):
        prevails = per_run(targets.share >= 0.5, targets.own)
        targets = torch.where(prevails, targets.own, targets.partner)
    if targets.is_floating_point():
        return torch.zeros(len(outputs), dtype=torch.int64, device=outputs.device)
    return (outputs.argmax(-1) == targets).sum(-1)
