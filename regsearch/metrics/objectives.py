r"""The two objectives that the PathProx paper compares, at one strength for all runs.

With the training loss L, the weights W without biases, the units' incoming :math:`w_i` and outgoing
:math:`v_i`, and the weights U that belong to no unit (appendix of the paper):

.. math::
    \text{weight decay} = L + \tfrac{\lambda}{2} \lVert W \rVert^2, \qquad
    \text{path} = L + \lambda \Bigl(\sum_i \lVert w_i \rVert \lVert v_i \rVert
        + \tfrac12 \lVert U \rVert^2\Bigr)

The second is never above the first, and equal to it where :math:`\lVert w_i \rVert = \lVert v_i
\rVert` for every unit: it is what the first comes to once units are balanced. The released code
plots :math:`L + \lambda \sum_i \lVert w_i \rVert \lVert v_i \rVert` for all methods; the weights of
a network that PathProx trained are not balanced, so compare methods by the path objective.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from regsearch.cells import Tree
from regsearch.metrics._base import (
    MEASUREMENTS,
    Measurement,
    MeasurementConfig,
    Outline,
    Quantity,
    Subject,
)
from regsearch.metrics._inputs import chunks, need_classes, predict, sample
from regsearch.unit_search import find_groups
from regsearch.units import path_norms


class Objectives(MeasurementConfig):
    """At which strength, and on which examples."""

    kind: Literal["objectives"] = "objectives"
    strength: Annotated[float, Field(ge=0, description="lambda, the same for every run")]
    samples: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="training examples, the same every time; null: all"),
    ] = None


def names(config: Objectives) -> list[str]:
    """Both, whatever the settings."""
    return ["weight_decay_objective", "path_objective"]


def measure(subject: Subject, config: Objectives) -> Tree:
    """Both objectives on training labels, noise included, in eval mode; ``[K]`` each, in nats."""
    weights = {name: w.double() for name, w in subject.weights.items() if w.ndim > 2}
    groups = find_groups(subject.model)
    paired = {name for group in groups for name in (group.first, group.second)}
    halves = {name: weight.flatten(1).square().sum(1) / 2 for name, weight in weights.items()}
    nothing = torch.zeros(len(subject.seed), dtype=torch.float64, device=subject.seed.device)
    apart = sum((half for name, half in halves.items() if name not in paired), nothing)
    paths = sum((path_norms(weights, group).sum(1) for group in groups), nothing)
    loss = _training_loss(subject, config.samples)
    return {
        "weight_decay_objective": loss + config.strength * sum(halves.values(), nothing),
        "path_objective": loss + config.strength * (paths + apart),
    }


def _training_loss(subject: Subject, samples: int | None) -> Tensor:
    """Mean cross entropy, ``[K]``."""
    chosen = sample(len(subject.x_train), samples)
    total = torch.zeros(len(subject.seed), dtype=torch.float64, device=subject.seed.device)
    for part in chunks(chosen, subject.chunk, total.device):
        logits, labels = predict(subject, subject.x_train[part]), subject.y_train[:, part]
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        total += losses.view(labels.shape).double().sum(1)
    return total / len(chosen)


def check(config: Objectives, outline: Outline) -> None:
    """Targets must be classes."""
    need_classes("objectives", outline)


MEASUREMENTS.add(
    "objectives",
    Measurement(
        config=Objectives,
        description="training loss with weight decay's, and with path norm's, penalty (PathProx)",
        names=names,
        measure=measure,
        quantities={
            "weight_decay_objective": Quantity("loss + half the squared weights", "nats", False),
            "path_objective": Quantity("loss + path norms", "nats", False),
        },
        check=check,
    ),
)
