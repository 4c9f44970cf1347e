"""What a model costs: its parameters, its arithmetic, and what it took to train it."""

from __future__ import annotations

from typing import Literal

import torch

from regsearch.cells import Tree
from regsearch.metrics._base import (
    MEASUREMENTS,
    Measurement,
    MeasurementConfig,
    Quantity,
    Subject,
)

QUANTITIES = {
    "parameters": Quantity("trainable numbers", "count", False),
    "flops": Quantity("arithmetic of one example's forward pass", "operations", False),
    "training_flops": Quantity("arithmetic of all training so far", "operations", False),
}

TRAINING = {
    "seconds": Quantity("share of the time that its pack took, measuring included", "s", False),
    "samples_per_second": Quantity(
        "examples that its pack, all runs together, trains on in a second; median over epochs",
        "1/s",
        True,
    ),
    "peak_memory": Quantity("most memory that its pack held on a GPU", "bytes", False),
}
"""What every run has, measured of its pack or not; no curves, as no two trainings agree in it."""


class Cost(MeasurementConfig):
    """The same for all runs of one model."""

    kind: Literal["cost"] = "cost"


def names(config: Cost) -> list[str]:
    """Those that follow from the model and the data; of ``TRAINING`` every run has a number."""
    return list(QUANTITIES)


def measure(subject: Subject, config: Cost) -> Tree:
    """``[K]`` equal numbers each.

    ``flops`` are those of matrix products and convolutions, two for a product and its addition, as
    ``torch.utils.flop_counter`` counts them; element-wise work is left out. In training the
    backward pass is taken as twice the forward pass: one product for the gradient by the inputs,
    one for that by the weights.
    """
    from torch.utils.flop_counter import FlopCounterMode  # 0.2 s

    example = torch.empty_like(subject.x_test[:1], device="meta")
    with FlopCounterMode(display=False) as counter:
        subject.model(example)
    flops = counter.get_total_flops()
    sizes = sum(param[0].numel() for param in subject.params.values())
    values = torch.tensor([[sizes], [flops], [3 * flops * subject.seen]], dtype=torch.float32)
    return dict(zip(QUANTITIES, values.expand(-1, len(subject.seed)), strict=True))


MEASUREMENTS.add(
    "cost",
    Measurement(
        config=Cost,
        description="parameters, and floating-point operations of a forward pass and of training",
        names=names,
        measure=measure,
        quantities=QUANTITIES | TRAINING,
    ),
)
