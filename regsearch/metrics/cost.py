"""What a model costs in use: its parameters, and the arithmetic of one example."""

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
}


class Cost(MeasurementConfig):
    """The same for all runs of one model."""

    kind: Literal["cost"] = "cost"


def names(config: Cost) -> list[str]:
    """Both."""
    return list(QUANTITIES)


def measure(subject: Subject, config: Cost) -> Tree:
    """``[K]`` equal numbers each.

    ``flops`` are those of matrix products and convolutions, two for a product and its addition, as
    ``torch.utils.flop_counter`` counts them; element-wise work is left out.
    """
    from torch.utils.flop_counter import FlopCounterMode  # 0.2 s

    example = torch.empty_like(subject.x_test[:1], device="meta")
    with FlopCounterMode(display=False) as counter:
        subject.model(example)
    sizes = sum(param[0].numel() for param in subject.params.values())
    values = torch.tensor([[sizes], [counter.get_total_flops()]], dtype=torch.float32)
    return dict(zip(QUANTITIES, values.expand(-1, len(subject.seed)), strict=True))


MEASUREMENTS.add(
    "cost",
    Measurement(
        config=Cost,
        description="parameters, and floating-point operations of a forward pass",
        names=names,
        measure=measure,
        quantities=QUANTITIES,
    ),
)
