r"""Accuracy on test examples that are moved against the model: FGSM and PGD.

White-box attacks on the true class by the gradient of the cross entropy, in the maximum norm:

.. math:: x_0 = x, \qquad
    x_{t+1} = \Pi_\varepsilon (x_t + \eta \operatorname{sign} \nabla_x \ell(x_t, y))

:math:`\Pi_\varepsilon` is the projection onto :math:`\lVert x' - x \rVert_\infty \le \varepsilon`
and, with ``clip``, onto the range of the data. FGSM (Goodfellow, Shlens and Szegedy, 2015) is one
step of length :math:`\varepsilon`; PGD (Madry and others, 2018) takes several shorter ones, here
without a random start, as in the volumization paper (20 of 2/255).

Sizes are shares of the data's range: those of pixels from 0 to 1, however the data are normalised.
The released code of that paper moves normalised inputs and does not clip; for its numbers write
``scale: input``, ``clip: false`` and ``require_clean_correct: true``.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from regsearch.cells import Tree
from regsearch.metrics._base import MEASUREMENTS, Measurement, MeasurementConfig, Outline, Subject
from regsearch.metrics._inputs import (
    chunks,
    for_each_run,
    need_classes,
    need_values,
    predict,
    predict_own,
    sample,
    with_gradient,
)

Size = Annotated[float, Field(ge=0, le=1_000)]


class Attack(MeasurementConfig):
    """How far examples are moved, and what counts as correct."""

    eps: Annotated[
        list[Size],
        Field(min_length=1, description="the farthest that an input may move, one test for each"),
    ]
    scale: Annotated[
        Literal["range", "input"],
        Field(
            description="range: sizes are shares of the range of each channel in the training "
            "data, so pixels from 0 to 1; input: they are those of the model's inputs"
        ),
    ] = "range"
    clip: Annotated[
        bool, Field(description="keep moved inputs within the range of the training data")
    ] = True
    require_clean_correct: Annotated[
        bool, Field(description="count only examples that are also classified when not moved")
    ] = False
    samples: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="test examples, the same every time; null: all"),
    ] = None


class Fgsm(Attack):
    """One step as long as the attack may reach."""

    kind: Literal["fgsm"] = "fgsm"


class Pgd(Attack):
    """Several steps, each projected back."""

    kind: Literal["pgd"] = "pgd"
    steps: Annotated[int, Field(ge=1, le=100_000, description="of the attack")] = 20
    step_size: Annotated[float, Field(gt=0, le=1_000, description="in the units of eps")] = 2 / 255

    @model_validator(mode="after")
    def _within_reach(self) -> Self:
        reach = self.steps * self.step_size
        if max(self.eps) > reach:
            raise ValueError(
                f"{self.steps} steps of {self.step_size:.4g} reach {reach:.4g}, less than the eps "
                f"{max(self.eps):g}; write more steps, a larger step_size or a smaller eps"
            )
        return self


class Box(NamedTuple):
    """Where a moved input may lie, and how large its steps are; each broadcasts to inputs."""

    low: Tensor
    high: Tensor
    unit: Tensor  # what an eps of 1 is in the units of the inputs


def names(config: Attack) -> list[str]:
    """``pgd_0.03_accuracy`` for every eps."""
    return [f"{config.kind}_{eps:g}_accuracy" for eps in config.eps]


def measure(subject: Subject, config: Fgsm | Pgd) -> Tree:
    """Accuracy on the moved examples, ``[K]`` for every eps, a fraction in [0, 1]."""
    box = _box(subject.x_train, config)
    chosen = sample(len(subject.x_test), config.samples)
    correct = torch.zeros(
        len(config.eps), len(subject.seed), dtype=torch.int64, device=subject.x_test.device
    )
    for part in chunks(chosen, subject.chunk, correct.device):
        x, y = subject.x_test[part], subject.y_test[:, part]
        counted = torch.ones_like(y, dtype=torch.bool)
        if config.require_clean_correct:
            counted = predict(subject, x).argmax(2) == y
        for number, eps in enumerate(config.eps):
            moved = _moved(subject, x, y, box, eps, config)
            fooled = predict_own(subject, moved).argmax(2) != y
            correct[number] += (counted & ~fooled).sum(1)
    return dict(zip(names(config), correct / len(chosen), strict=True))


def check(config: Attack, outline: Outline) -> None:
    """Inputs must be values, targets classes."""
    need_values(config.kind, outline)
    need_classes(config.kind, outline)


def _moved(
    subject: Subject, x: Tensor, y: Tensor, box: Box, eps: float, config: Fgsm | Pgd
) -> Tensor:
    """Examples ``[n, ...]`` as they are moved against each run, ``[K, n, ...]``."""
    steps, size = (config.steps, config.step_size) if isinstance(config, Pgd) else (1, eps)
    low = torch.maximum(x - eps * box.unit, torch.minimum(x, box.low))
    high = torch.minimum(x + eps * box.unit, torch.maximum(x, box.high))
    moved = for_each_run(subject, x)
    for _ in range(steps):
        inputs, logits = with_gradient(subject, moved)
        with torch.enable_grad():
            loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, inputs)
        step = size * box.unit * gradient.sign()
        moved = torch.minimum(torch.maximum(moved + step, low), high)
    return moved


def _box(x: Tensor, config: Attack) -> Box:
    """The range of each channel of images ``[N, C, ...]``, of all features ``[N, D]`` at once."""
    axes = tuple(axis for axis in range(x.ndim) if axis != 1 or x.ndim == 2)
    low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    unit = high - low if config.scale == "range" else torch.ones_like(low)
    if config.clip:
        return Box(low, high, unit)
    return Box(torch.full_like(low, -torch.inf), torch.full_like(high, torch.inf), unit)


def _add(kind: str, config: type[Attack], description: str) -> None:
    MEASUREMENTS.add(kind, Measurement(config, description, names, measure, check=check))


_add("fgsm", Fgsm, "test accuracy under attacks of one step (Goodfellow and others, 2015)")
_add("pgd", Pgd, "test accuracy under attacks of many steps (Madry and others, 2018)")
