"""How good the predictions are on one split."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from regsearch.metrics._base import METRICS, Metric, Observed

TOP = 5
BINS = 15


def loss(seen: Observed) -> Tensor:
    r"""Mean cross entropy :math:`-\frac1N\sum_n \log p_n(y_n)`, ``[K]``, in nats, at least 0."""
    logits, labels = seen.outputs.float().flatten(0, 1), seen.targets.flatten()
    return F.cross_entropy(logits, labels, reduction="none").view(seen.targets.shape).mean(1)


def accuracy(seen: Observed) -> Tensor:
    """Correct over total, ``[K]``, a fraction in [0, 1]; never a mean of batch means."""
    return (seen.outputs.argmax(-1) == seen.targets).sum(1) / seen.targets.shape[1]


def top5_accuracy(seen: Observed) -> Tensor:
    """Examples whose class is among the five largest logits, ``[K]``, a fraction in [0, 1].

    Logits equal to that of the class leave it its place; with at most five classes it is 1.
    """
    own = seen.outputs.gather(2, seen.targets[..., None])
    ahead = (~(seen.outputs <= own)).sum(2)  # NaN is ahead of all
    return (ahead < TOP).sum(1) / seen.targets.shape[1]


def calibration_error(seen: Observed) -> Tensor:
    r"""How far confidence is from accuracy, :math:`\sum_b \frac{n_b}{N} |a_b - c_b|`, ``[K]``.

    Over 15 bins of equal width by confidence, the largest probability :math:`p_n`: :math:`a_b` is
    the accuracy in bin b and :math:`c_b` the mean confidence; in [0, 1] (Guo and others, "On
    Calibration of Modern Neural Networks", ICML 2017, eq. 3).
    """
    logits = seen.outputs.float()
    largest, guess = logits.max(2)
    confidence = (largest - logits.logsumexp(2)).exp()
    excess = (guess == seen.targets).float() - confidence
    bins = (confidence.nan_to_num() * BINS).ceil().long().clamp(1, BINS) - 1
    sums = torch.zeros(len(logits), BINS, device=logits.device).scatter_add(1, bins, excess)
    return sums.abs().sum(1) / seen.targets.shape[1]


def squared_error(seen: Observed) -> Tensor:
    r"""Mean over examples and outputs of :math:`(f - t)^2`, ``[K]``, at least 0."""
    return (seen.outputs.float() - seen.targets).square().flatten(1).mean(1)


METRICS.add("loss", Metric("mean cross entropy", "nats", False, "predictions", loss))
METRICS.add("accuracy", Metric("correct over total", "fraction", True, "predictions", accuracy))
METRICS.add(
    "top5_accuracy",
    Metric("class among the five likeliest", "fraction", True, "predictions", top5_accuracy),
)
METRICS.add(
    "calibration_error",
    Metric("confidence beside accuracy", "fraction", False, "predictions", calibration_error),
)
METRICS.add(
    "squared_error",
    Metric(
        description="mean squared distance to real-valued targets",
        unit="square of the target's unit",
        higher_is_better=False,
        of="predictions",
        measure=squared_error,
        targets="values",
    ),
)
