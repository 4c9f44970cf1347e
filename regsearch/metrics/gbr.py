r"""GBR: how strongly outputs answer to their inputs, the norm that bounds generalisation.

"Generalization Bound Regularizer: A Unified Perspective for Understanding Weight Decay", eq. 18:

.. math:: \mathrm{GBR}(f; S) = \frac{1}{|S|} \sum_{x \in S}
    \left\lVert \frac{\partial f(x)}{\partial x} \right\rVert_F^2

The paper does not say what f is. On logits it falls as weight decay grows, on probabilities it can
rise, for networks without decay saturate; and on logits it grows with the square of their size.
``gbr_norm`` divides by that, and is what to compare networks by whose last layers differ.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.cells import Tree
from regsearch.draws import uniform
from regsearch.metrics._base import (
    MEASUREMENTS,
    Measurement,
    MeasurementConfig,
    Outline,
    Quantity,
    Subject,
)
from regsearch.metrics._inputs import (
    chunks,
    for_each_run,
    need_classes,
    need_values,
    pulled_back,
    sample,
    unit_vectors,
    with_gradient,
)

Outputs = Literal["logits", "probabilities", "true_class"]


class Gbr(MeasurementConfig):
    """What it is measured of, where, and how exactly."""

    kind: Literal["gbr"] = "gbr"
    f: Annotated[
        Outputs,
        Field(description="logits; all probabilities; or the probability of the true class alone"),
    ] = "logits"
    samples: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="training examples, the same every time; null: all"),
    ] = 1024
    probes: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="backward passes: random directions per example (Hutchinson); exact where "
            "the model has no more outputs than that",
        ),
    ] = 16


def names(config: Gbr) -> list[str]:
    """``gbr`` and ``gbr_norm`` of logits, else ``gbr_probabilities`` or ``gbr_true_class``."""
    return ["gbr", "gbr_norm"] if config.f == "logits" else [f"gbr_{config.f}"]


def measure(subject: Subject, config: Gbr) -> Tree:
    r"""Mean over examples of :math:`\lVert \partial f / \partial x \rVert_F^2`, ``[K]`` each.

    ``gbr_norm`` is it over the mean over examples of the variance of the logits across classes
    (population variance; infinite for a single output).
    """
    chosen = sample(len(subject.x_train), config.samples)
    square = torch.zeros(len(subject.seed), dtype=torch.float64, device=subject.x_train.device)
    variance = torch.zeros_like(square)
    for part in chunks(chosen, subject.chunk, square.device):
        x, logits = with_gradient(subject, for_each_run(subject, subject.x_train[part]))
        with torch.enable_grad():
            f = _outputs(logits, None if subject.y_true is None else subject.y_true[part], config.f)
        for gradient in pulled_back(f, x, _directions(f, part, config.probes)):
            square += gradient.square().sum((1, 2))
        variance += logits.detach().var(2, correction=0).sum(1)
    if config.f != "logits":
        return {names(config)[0]: square / len(chosen)}
    return {"gbr": square / len(chosen), "gbr_norm": square / variance}


def check(config: Gbr, outline: Outline) -> None:
    """Inputs must be values; probabilities need classes as targets."""
    need_values("gbr", outline)
    if config.f != "logits":
        need_classes(f"gbr of {config.f}", outline)


def _outputs(logits: Tensor, classes: Tensor | None, f: Outputs) -> Tensor:
    """``[K, n, C]``, or ``[K, n, 1]`` for the true class."""
    if f == "logits":
        return logits
    probabilities = logits.softmax(2)
    if f == "probabilities" or classes is None:
        return probabilities
    return probabilities.gather(2, classes.expand(logits.shape[:2])[..., None])


def _directions(f: Tensor, examples: Tensor, probes: int) -> Tensor:
    r"""Vectors v with :math:`\mathbb{E} \sum_v v v^\top = I`, ``[P, n, C]``.

    The unit vectors, if they are few enough; else random signs over :math:`\sqrt{P}`, which follow
    from the example alone, so that values of different epochs and runs differ by less.
    """
    outputs = f.shape[2]
    if outputs <= probes:
        return unit_vectors(f)
    like = f.new_empty(len(examples), outputs)
    numbers = torch.arange(probes, device=f.device)
    signs = [(uniform(examples, number, "gbr", like) - 0.5).sign() for number in numbers]
    return torch.stack(signs) / probes**0.5


MEASUREMENTS.add(
    "gbr",
    Measurement(
        config=Gbr,
        description="mean squared norm of the input-output Jacobian (eq. 18 of the GBR paper)",
        names=names,
        measure=measure,
        quantities={
            "gbr": Quantity("of logits", "squared logit per input", False),
            "gbr_norm": Quantity("of logits, over their variance", "per squared input", False),
            "gbr_probabilities": Quantity("of probabilities", "per squared input", False),
            "gbr_true_class": Quantity("of the true class", "per squared input", False),
        },
        check=check,
    ),
)
