"""What a model makes of training labels that are wrong: learnt by heart, or seen through."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
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

QUANTITIES = {
    "wrong_fit": Quantity("wrong labels that are predicted", "fraction", False),
    "wrong_recovered": Quantity("true classes predicted in spite of them", "fraction", True),
    "clean_accuracy": Quantity("right labels that are predicted", "fraction", True),
    "true_accuracy": Quantity("true classes predicted, all examples", "fraction", True),
}


class Memorisation(MeasurementConfig):
    """Where it is measured."""

    kind: Literal["memorisation"] = "memorisation"
    samples: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="training examples, the same every time; null: all"),
    ] = None


def names(config: Memorisation) -> list[str]:
    """All four, whatever the settings."""
    return list(QUANTITIES)


def measure(subject: Subject, config: Memorisation) -> Tree:
    r"""Shares of training examples by what the model, in eval mode, predicts; ``[K]`` each.

    With label :math:`\tilde y`, true class :math:`y` and prediction :math:`\hat y`:

    .. math::
        \text{wrong fit} = P(\hat y = \tilde y \mid \tilde y \ne y), \quad
        \text{wrong recovered} = P(\hat y = y \mid \tilde y \ne y), \quad
        \text{clean accuracy} = P(\hat y = y \mid \tilde y = y), \quad
        \text{true accuracy} = P(\hat y = y)

    NaN where the condition holds for no example: the first two without label noise.
    """
    chosen = sample(len(subject.x_train), config.samples)
    counts = torch.zeros(5, len(subject.seed), dtype=torch.int64, device=subject.x_train.device)
    for part in chunks(chosen, subject.chunk, counts.device):
        counts += _counts(subject, part)
    fit, recovered, clean, wrong, right = counts
    shares = fit / wrong, recovered / wrong, clean / right, (clean + recovered) / len(chosen)
    return dict(zip(QUANTITIES, shares, strict=True))


def check(config: Memorisation, outline: Outline) -> None:
    """Targets must be classes."""
    need_classes("memorisation", outline)


def _counts(subject: Subject, part: Tensor) -> Tensor:
    """How many are: fit, recovered, clean and predicted; wrong, right. ``[5, K]``."""
    guess = predict(subject, subject.x_train[part]).argmax(2)
    label = subject.y_train[:, part]
    true = label if subject.y_true is None else subject.y_true[part]
    wrong, fit, recovered = label != true, guess == label, guess == true
    return torch.stack([wrong & fit, wrong & recovered, ~wrong & fit, wrong, ~wrong]).sum(2)


MEASUREMENTS.add(
    "memorisation",
    Measurement(
        config=Memorisation,
        description="how many wrong training labels are predicted, and how many seen through",
        names=names,
        measure=measure,
        quantities=QUANTITIES,
        check=check,
    ),
)
