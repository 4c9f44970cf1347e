"""How large the weights are: matrices and kernels, not biases or the scales of norm layers."""

from __future__ import annotations

import torch
from torch import Tensor

from regsearch.cells import run_dims
from regsearch.metrics._base import METRICS, Metric, Observed


def weight_norm(seen: Observed) -> Tensor:
    r"""Norm of all weights together, :math:`\sqrt{\sum_l \lVert W_l \rVert_F^2}`, ``[K]``."""
    squares = [weight.square().sum(run_dims(weight)) for weight in _weights(seen)]
    return torch.stack(squares).sum(0).sqrt()


def max_weight(seen: Observed) -> Tensor:
    r"""Largest magnitude, :math:`\max_{l,i} |w_{l,i}|`, ``[K]``; volumization bounds it by V."""
    return torch.stack([weight.abs().amax(run_dims(weight)) for weight in _weights(seen)]).amax(0)


def _weights(seen: Observed) -> list[Tensor]:
    weights = [param.float() for param in seen.params.values() if param.ndim >= 3]
    if not weights:
        raise ValueError(f"the model has no weight matrix, only {sorted(seen.params)}")
    return weights


METRICS.add("weight_norm", Metric("norm of all weights", "weight", False, "weights", weight_norm))
METRICS.add("max_weight", Metric("largest magnitude", "weight", False, "weights", max_weight))
