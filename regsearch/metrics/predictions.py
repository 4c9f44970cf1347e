"""How good the predictions are on one split."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from regsearch.metrics._base import METRICS, Metric, Observed


def loss(seen: Observed) -> Tensor:
    r"""Mean cross entropy :math:`-\frac1N\sum_n \log p_n(y_n)`, ``[K]``, in nats, at least 0."""
    logits, labels = seen.outputs.float().flatten(0, 1), seen.targets.flatten()
    return F.cross_entropy(logits, labels, reduction="none").view(seen.targets.shape).mean(1)


def accuracy(seen: Observed) -> Tensor:
    """Correct over total, ``[K]``, a fraction in [0, 1]; never a mean of batch means."""
    return (seen.outputs.argmax(-1) == seen.targets).sum(1) / seen.targets.shape[1]


def squared_error(seen: Observed) -> Tensor:
    r"""Mean over examples and outputs of :math:`(f - t)^2`, ``[K]``, at least 0."""
    return (seen.outputs.float() - seen.targets).square().flatten(1).mean(1)


METRICS.add("loss", Metric("mean cross entropy", "nats", False, "predictions", loss))
METRICS.add("accuracy", Metric("correct over total", "fraction", True, "predictions", accuracy))
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
