"""Measured quantities of K runs at the end of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from regsearch.cells import Tree, over_runs
from regsearch.metrics import METRICS, Observed
from regsearch.train.data import PackData
from regsearch.train.effective import effective_weights
from regsearch.units import UnitGroup


class Evaluation(NamedTuple):
    """What is measured of a pack after each epoch."""

    model: nn.Module  # in eval mode, without data
    data: PackData
    chunk: int  # examples at a time
    groups: Sequence[UnitGroup]  # of homogeneous units

    def measure(self, params: Tree, buffers: Tree) -> Tree:
        """All metrics, ``[K]`` each: of the weights, and of predictions on each split there is."""
        measured = self.on_test("test", params, buffers)
        if len(self.data.x_validation):
            measured |= self._on(
                "validation", self.data.x_validation, self.data.y_validation, params, buffers
            )
        return measured | measure_weights(
            effective_weights(self.model, params, buffers), self.groups
        )

    def on_test(self, name: str, params: Tree, buffers: Tree) -> Tree:
        """Metrics of predictions on the test set, as ``NAME_accuracy``."""
        return self._on(name, self.data.x_test, self.data.y_test, params, buffers)

    def _on(self, name: str, x: Tensor, y: Tensor, params: Tree, buffers: Tree) -> Tree:
        return measure_predictions(name, predict(self.model, params, buffers, x, self.chunk), y)


@torch.no_grad()
def predict(model: nn.Module, params: Tree, buffers: Tree, x: Tensor, chunk: int) -> Tensor:
    """Outputs ``[K, N, C]`` of every run on the same inputs ``[N, ...]``, ``chunk`` at a time.

    ``model`` is in eval mode.
    """

    def forward(params: Tree, buffers: Tree, x: Tensor) -> Tensor:
        return functional_call(model, (params, buffers), (x,))

    outputs = over_runs(forward, (0, 0, None))
    return torch.cat([outputs(params, buffers, part) for part in torch.split(x, chunk)], 1)


@torch.no_grad()
def measure_predictions(split: str, outputs: Tensor, targets: Tensor) -> Tree:
    """Every metric of predictions on one split, ``[K]`` each, as ``test_accuracy``."""
    seen = Observed({}, outputs, targets)
    kind = "values" if targets.is_floating_point() else "classes"
    return {
        f"{split}_{name}": METRICS[name].measure(seen)
        for name in METRICS
        if METRICS[name].of == "predictions" and METRICS[name].targets == kind
    }


@torch.no_grad()
def measure_weights(params: Tree, groups: Sequence[UnitGroup]) -> Tree:
    """Every metric of weights, and of units where there are ``groups`` of them, ``[K]`` each."""
    nothing = torch.empty(0, device=next(iter(params.values())).device)
    seen = Observed(params, nothing, nothing, groups)
    kinds = ("weights", "units") if groups else ("weights",)
    return {name: METRICS[name].measure(seen) for name in METRICS if METRICS[name].of in kinds}


@torch.no_grad()
def finite_runs(params: Tree) -> Tensor:
    """Which runs have only finite weights, bool ``[K]``."""
    return torch.stack([p.flatten(1).isfinite().all(1) for p in params.values()]).all(0)
