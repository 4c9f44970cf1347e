"""Trained models as functions of their inputs: which examples, outputs, and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.func import functional_call

from regsearch.cells import Tree, over_runs
from regsearch.draws import uniform
from regsearch.errors import SpecError
from regsearch.metrics._base import Outline, Subject


def sample(count: int, samples: int | None) -> Tensor:
    """Indices of ``samples`` of ``count`` examples, or of all if ``None`` or too many.

    They are the same at every epoch, in every run and on every device.
    """
    if samples is None or samples >= count:
        return torch.arange(count)
    like = torch.empty(1, count, dtype=torch.float64)
    places = uniform(torch.zeros(1, dtype=torch.int64), torch.tensor(0), "samples", like)
    return places[0].argsort(stable=True)[:samples]


def chunks(indices: Tensor, size: int, device: torch.device) -> Iterator[Tensor]:
    """``indices`` in parts of at most ``size``, at least 1, on ``device``."""
    return iter(torch.split(indices.to(device), max(1, size)))


def predict(subject: Subject, x: Tensor) -> Tensor:
    """Outputs ``[K, n, C]`` of every run on the same inputs ``[n, ...]``."""
    return over_runs(_forward(subject), (0, 0, None))(subject.params, subject.buffers, x)


def predict_own(subject: Subject, x: Tensor) -> Tensor:
    """Outputs ``[K, n, C]`` of every run on its own inputs ``[K, n, ...]``."""
    return over_runs(_forward(subject), (0, 0, 0))(subject.params, subject.buffers, x)


def for_each_run(subject: Subject, x: Tensor) -> Tensor:
    """Inputs ``[n, ...]`` once for every run, ``[K, n, ...]``, without a copy."""
    return x.expand(len(subject.seed), *x.shape)


def with_gradient(subject: Subject, x: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs ``[K, n, ...]`` that record gradients, and the outputs ``[K, n, C]`` on them.

    In eval mode no output depends on another example, so that the gradient of a sum over examples
    holds the gradient of each.
    """
    with torch.enable_grad():
        inputs = x.detach().requires_grad_()
        return inputs, predict_own(subject, inputs)


def pulled_back(f: Tensor, x: Tensor, directions: Tensor) -> Iterator[Tensor]:
    r""":math:`J^\top v` of each of the ``[P, n, C]`` directions v, ``[K, n, D]``.

    J is the Jacobian of the outputs ``f``, ``[K, n, C]``, by the inputs ``x``, ``[K, n, ...]``.
    Each direction takes one backward pass.
    """
    for number, v in enumerate(directions, start=1):
        again = number < len(directions)
        (gradient,) = torch.autograd.grad(f, x, v.expand_as(f), retain_graph=again)
        yield gradient.flatten(2)


def unit_vectors(f: Tensor) -> Tensor:
    """Directions ``[C, n, C]`` that give the rows of the Jacobian of ``f``, ``[K, n, C]``."""
    _, count, outputs = f.shape
    return torch.eye(outputs, dtype=f.dtype, device=f.device)[:, None].expand(-1, count, -1)


def need_values(noun: str, outline: Outline) -> None:
    """Inputs must be numbers that a gradient can be taken by.

    Raises:
        SpecError: they are words.
    """
    if not outline.x.is_floating_point():
        raise SpecError(
            [f"{noun} needs inputs that can change a little, and words cannot; remove it"]
        )


def need_classes(noun: str, outline: Outline) -> None:
    """Targets must be classes.

    Raises:
        SpecError: they are values.
    """
    if outline.y.is_floating_point():
        raise SpecError([f"{noun} needs classes as targets, not values; remove it"])


def _forward(subject: Subject) -> Callable[[Tree, Tree, Tensor], Tensor]:
    def forward(params: Tree, buffers: Tree, x: Tensor) -> Tensor:
        return functional_call(subject.model, (params, buffers), (x,))

    return forward
