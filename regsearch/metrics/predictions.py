"""How good the predictions are on one split."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from regsearch.metrics._base import METRICS, Metric, Observed


def loss(seen: Observed) -> Tensor:
    r"""Mean cross entropy :math:`-\frac1N\sum_n \log p_n(y_n)`, ``[K]``, in nats, at least 0."""
    logits, labels = seen.logits.float().flatten(0, 1), seen.labels.flatten()
    return F.cross_entropy(logits, labels, reduction="none").view(seen.labels.shape).mean(1)


def accuracy(seen: Observed) -> Tensor:
    """Correct over total, ``[K]``, a fraction in [0, 1]; never a mean of batch means."""
    return (seen.logits.argmax(-1) == seen.labels).sum(1) / seen.labels.shape[1]


METRICS.add("loss", Metric("mean cross entropy", "nats", False, "predictions", loss))
METRICS.add("accuracy", Metric("correct over total", "fraction", True, "predictions", accuracy))
