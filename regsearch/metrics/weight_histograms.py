"""How the weights of each layer are distributed, as in the volumization paper (figures 10, 17-20).

They are the weights that layers use, parametrizations evaluated, under the layers' own names.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.metrics._base import (
    MEASUREMENTS,
    Measurement,
    MeasurementConfig,
    Quantity,
    Subject,
)
from regsearch.metrics._histogram import Histograms, count_values

Bins = Annotated[int, Field(ge=2, le=65_536, multiple_of=2)]


class WeightHistograms(MeasurementConfig):
    """How fine they are."""

    kind: Literal["histograms"] = "histograms"
    bins: Annotated[
        Bins,
        Field(
            description="of a matrix or kernel, even, from minus to plus the power of two above "
            "the run's largest magnitude"
        ),
    ] = 256
    vector_bins: Annotated[Bins, Field(description="of a bias or the scales of a norm layer")] = 10


def names(config: WeightHistograms) -> list[str]:
    """One number beside the histograms."""
    return ["peak_share"]


def measure(subject: Subject, config: WeightHistograms) -> dict[str, Tensor | Histograms]:
    r"""Histograms ``weights/LAYER``, and the mean over layers of their peaks, ``[K]``.

    .. math:: \frac{1}{L} \sum_l P(|w_{l,i}| > 0.99 \max_j |w_{l,j}|)

    With hard walls it is the share of weights within 1 % of :math:`\pm V`; soft walls let weights
    through, so that the largest is beyond. Layers are matrices and kernels, of equal weight here;
    ``wall_share`` of the measurement ``layers`` counts all weights alike. NaN for a layer with a
    weight that is not finite.
    """
    found = {
        f"weights/{name}": count_values(
            weight, config.bins if _is_layer(weight) else config.vector_bins
        )
        for name, weight in subject.weights.items()
    }
    layers = [found[f"weights/{name}"] for name, w in subject.weights.items() if _is_layer(w)]
    shares = [each.peak / each.counts.sum(1) for each in layers]
    broken = torch.stack([each.missing for each in layers]).sum(0) > 0
    return {"peak_share": torch.stack(shares).mean(0).masked_fill(broken, torch.nan), **found}


def _is_layer(weight: Tensor) -> bool:
    """A matrix or kernel per run, no vector."""
    return weight.ndim >= 3


MEASUREMENTS.add(
    "histograms",
    Measurement(
        config=WeightHistograms,
        description="weights by layer, and how many lie at the walls (volumization paper)",
        names=names,
        measure=measure,
        quantities={
            "peak_share": Quantity(
                "weights within 1 % of their layer's largest, mean over layers", "fraction", False
            )
        },
    ),
)
