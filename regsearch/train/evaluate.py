"""Measured quantities of K runs at the end of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from regsearch.cells import Tree
from regsearch.metrics import METRICS, Observed


@torch.no_grad()
def predict(model: nn.Module, params: Tree, buffers: Tree, x: Tensor, chunk: int) -> Tensor:
    """Logits ``[K, N, C]`` of every run on the same inputs ``[N, ...]``, ``chunk`` at a time.

    ``model`` is in eval mode.
    """

    def forward(params: Tree, buffers: Tree, x: Tensor) -> Tensor:
        return functional_call(model, (params, buffers), (x,))

    parts = [vmap(forward, (0, 0, None))(params, buffers, part) for part in torch.split(x, chunk)]
    return torch.cat(parts, 1)


@torch.no_grad()
def measure_predictions(split: str, params: Tree, logits: Tensor, labels: Tensor) -> Tree:
    """Every metric of predictions on one split, ``[K]`` each, as ``test_accuracy``."""
    seen = Observed(params, logits, labels)
    return {
        f"{split}_{name}": METRICS[name].measure(seen)
        for name in METRICS
        if METRICS[name].of == "predictions"
    }


@torch.no_grad()
def measure_weights(params: Tree) -> Tree:
    """Every metric of weights, ``[K]`` each, as ``weight_norm``."""
    device = next(iter(params.values())).device
    nothing = torch.empty(0, device=device)
    seen = Observed(params, nothing, nothing)
    return {name: METRICS[name].measure(seen) for name in METRICS if METRICS[name].of == "weights"}


@torch.no_grad()
def finite_runs(params: Tree) -> Tensor:
    """Which runs have only finite weights, bool ``[K]``."""
    return torch.stack([p.flatten(1).isfinite().all(1) for p in params.values()]).all(0)
