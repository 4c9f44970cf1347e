"""Entropy-SGD (Chaudhari and others, "Entropy-SGD: Biasing gradient descent into wide valleys").

Noisy inner steps explore around the weights x; every ``inner_steps``-th step moves x towards the
average of where they went. Here each inner step is one step of training on one mini-batch, so an
epoch is one pass over the data as for any other optimizer. The released code makes an *outer* step
for each mini-batch: one of its epochs costs ``inner_steps`` passes, and one more that it discards.

Departures from it: its gamma never grows, since it does not count its steps, and its outer momentum
starts at the first gradient where ours starts at zero, as in ``torch.optim.SGD``.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from regsearch import draws
from regsearch.cells import Tree, per_run
from regsearch.optim import sgd
from regsearch.optim._base import OPTIMIZERS, Optimizer, Slots, zeros
from regsearch.space import Kind, Real

MOMENTUM = "momentum_buffer"
OUTER, OUTER_MOMENTUM, AVERAGE = "outer", "outer_momentum_buffer", "average"
NESTEROV = sgd.SGD(lr=1.0, nesterov=True)
"""Structure of the steps without inner ones."""


class EntropySGD(Kind):
    """Nesterov steps towards the centre of a wide valley; ``inner_steps`` 0: plain ones."""

    kind: Literal["entropy_sgd"] = "entropy_sgd"
    lr: Annotated[Real, Field(gt=0, description="learning rate of the outer steps")] = 0.1
    inner_steps: Annotated[int, Field(ge=0, description="steps per outer step, L")] = 5
    inner_lr: Annotated[Real, Field(gt=0, description="learning rate of the inner steps")] = 0.1
    momentum: Annotated[Real, Field(ge=0, lt=1, description="of outer and inner steps")] = 0.9
    gamma: Annotated[Real, Field(ge=0, description="pull of inner steps to x at the start")] = 1e-4
    scoping: Annotated[Real, Field(ge=0, description="growth of gamma per outer step")] = 1e-3
    noise: Annotated[Real, Field(ge=0, description="of the inner steps, epsilon")] = 1e-4
    averaging: Annotated[Real, Field(ge=0, lt=1, description="memory of the inner average")] = 0.75
    weight_decay: Annotated[
        Real, Field(ge=0, description="L2 term of inner and outer steps; a regularizer: inner only")
    ] = 0.0


class Walk(NamedTuple):
    """One parameter: inner iterate and outer point with their momenta, and the inner average."""

    inner: Tensor
    momentum: Tensor
    average: Tensor
    outer: Tensor
    outer_momentum: Tensor


def update(
    params: Tree,
    grads: Tree,
    slots: Slots,
    step: Tensor,
    hp: dict[str, Tensor],
    config: EntropySGD,
) -> tuple[Tree, Slots]:
    """One inner step of every run, and an outer one if it is the last of ``inner_steps``.

    ``params`` are the inner iterate. An inner loop begins from them as they are, so what a
    regularizer makes of the weights after an outer step is the next outer point.
    """
    if config.inner_steps == 0:
        return _plain(params, grads, slots, step, hp)
    outer_step = (step - 1).div(config.inner_steps, rounding_mode="floor")
    first = (step == outer_step * config.inner_steps + 1).to(step.dtype)
    last = (step == (outer_step + 1) * config.inner_steps).to(step.dtype)
    gamma = hp["gamma"] * torch.exp(outer_step * torch.log1p(hp["scoping"]))
    new: Slots = {slot: {} for slot in slots}
    moved = {}
    for name, param in params.items():
        r = _reals(hp | {"gamma": gamma}, param)
        noise = draws.normal(hp["seed"], step, f"entropy_sgd/{name}", param)
        walk = _begin(param, {slot: slots[slot][name] for slot in slots}, first.to(param.dtype))
        walk = _outer_step(_inner_step(walk, grads[name], noise, r), r, last.to(param.dtype))
        moved[name] = walk.inner
        new[MOMENTUM][name], new[AVERAGE][name] = walk.momentum, walk.average
        new[OUTER][name], new[OUTER_MOMENTUM][name] = walk.outer, walk.outer_momentum
    return moved, new


def _begin(param: Tensor, slots: dict[str, Tensor], first: Tensor) -> Walk:
    """All from the current weights where ``first`` is 1; goes on from the slots where it is 0."""
    return Walk(
        inner=param,
        momentum=slots[MOMENTUM] * (1 - first),
        average=torch.lerp(slots[AVERAGE], param, first),
        outer=torch.lerp(slots[OUTER], param, first),
        outer_momentum=slots[OUTER_MOMENTUM],
    )


def _inner_step(walk: Walk, grad: Tensor, noise: Tensor, r: dict[str, Tensor]) -> Walk:
    r"""Langevin dynamics with Nesterov momentum.

    .. math::
        d = g + \lambda x', \quad m' \leftarrow \mu m' + d, \quad
        x' \leftarrow x' - \eta'\Big(d + \mu m' + \gamma_t (x' - x)
            + \frac{\epsilon}{\sqrt{\eta'/2}} z\Big), \quad
        \bar x \leftarrow \alpha \bar x + (1 - \alpha) x'
    """
    gradient, momentum = _nesterov(grad + r["weight_decay"] * walk.inner, walk.momentum, r)
    pull = r["gamma"] * (walk.inner - walk.outer)
    shake = r["noise"] * (0.5 * r["inner_lr"]).rsqrt() * noise
    inner = walk.inner - r["inner_lr"] * (gradient + pull + shake)
    average = torch.lerp(inner, walk.average, r["averaging"])
    return walk._replace(inner=inner, momentum=momentum, average=average)


def _outer_step(walk: Walk, r: dict[str, Tensor], last: Tensor) -> Walk:
    r"""Towards the average, where ``last`` is 1; nothing where it is 0.

    .. math::
        D = (x - \bar x) + \lambda x, \quad M \leftarrow \mu M + D, \quad
        x \leftarrow x - \eta (D + \mu M)
    """
    descent = walk.outer - walk.average + r["weight_decay"] * walk.outer
    direction, momentum = _nesterov(descent, walk.outer_momentum, r)
    outer = walk.outer - last * r["lr"] * direction
    return walk._replace(
        inner=torch.lerp(walk.inner, outer, last),
        outer=outer,
        outer_momentum=torch.lerp(walk.outer_momentum, momentum, last),
    )


def _reals(hp: dict[str, Tensor], like: Tensor) -> dict[str, Tensor]:
    return {name: per_run(value.to(like.dtype), like) for name, value in hp.items()}


def _nesterov(grad: Tensor, momentum: Tensor, r: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Where to go, and the new momentum."""
    momentum = r["momentum"] * momentum + grad
    return grad + r["momentum"] * momentum, momentum


def _plain(
    params: Tree, grads: Tree, slots: Slots, step: Tensor, hp: dict[str, Tensor]
) -> tuple[Tree, Slots]:
    """Without inner steps: Nesterov's."""
    decayed = {
        name: grads[name] + per_run(hp["weight_decay"].to(param.dtype), param) * param
        for name, param in params.items()
    }
    return sgd.update(params, decayed, slots, step, hp, NESTEROV)


def slots(params: Tree, config: EntropySGD) -> Slots:
    """Momentum at zero; outer point and average at the weights."""
    if config.inner_steps == 0:
        return {MOMENTUM: zeros(params)}
    at_zero = {slot: zeros(params) for slot in (MOMENTUM, OUTER_MOMENTUM)}
    at_params = {slot: {n: p.clone() for n, p in params.items()} for slot in (AVERAGE, OUTER)}
    return at_zero | at_params


def rate(hp: dict[str, Tensor], config: EntropySGD) -> Tensor:
    """The inner steps', for a gradient is taken in each of them."""
    return hp["inner_lr"] if config.inner_steps else hp["lr"]


def weights(params: Tree, slots: Slots, step: Tensor, config: EntropySGD) -> Tree:
    """The outer point; right after an outer step it is the parameters, regularized by now."""
    return slots[OUTER] if config.inner_steps and int(step) % config.inner_steps else params


def restart(params: Tree, slots: Slots, config: EntropySGD) -> Slots:
    """Outer point and average at ``params``, as at the beginning of an inner loop."""
    return slots | {AVERAGE: params, OUTER: params} if config.inner_steps else slots


OPTIMIZERS.add(
    "entropy_sgd",
    Optimizer(
        config=EntropySGD,
        description="steps to the centre of the valley that noisy inner steps explore",
        slots=slots,
        momentum=lambda config: MOMENTUM,
        update=update,
        rate=rate,
        weights=weights,
        restart=restart,
    ),
)
