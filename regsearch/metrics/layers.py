r"""The layers against each other: norms, singular values, and weights at the walls.

A layer is a weight matrix, or the kernel of a convolution as a matrix ``[out, in * kh * kw]``; its
weights are those that the layer uses, parametrizations evaluated.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from regsearch.cells import Tree, per_run, run_dims
from regsearch.metrics._base import (
    MEASUREMENTS,
    Measurement,
    MeasurementConfig,
    Quantity,
    Subject,
)
from regsearch.metrics._histogram import PEAK
from regsearch.metrics._spectral import spectral_norms

QUANTITIES = {
    "layer_norm_ratio": Quantity("largest over smallest norm of a layer", "ratio", False),
    "layer_norm_product": Quantity("product of the layers' squared norms", "weight", False),
    "spectral_max": Quantity("largest singular value of any layer", "weight", False),
    "spectral_product": Quantity("product of the largest singular values", "weight", False),
    "wall_share": Quantity("weights within 1 % of their layer's largest", "fraction", False),
}


class Layers(MeasurementConfig):
    """Every layer counts."""

    kind: Literal["layers"] = "layers"


def names(config: Layers) -> list[str]:
    """All of them, whatever the model."""
    return list(QUANTITIES)


def measure(subject: Subject, config: Layers) -> Tree:
    r"""Over the layers :math:`W_l`, ``[K]`` each.

    .. math::
        \frac{\max_l \lVert W_l \rVert_F}{\min_l \lVert W_l \rVert_F}, \quad
        \prod_l \lVert W_l \rVert_F^2, \quad
        \max_l \lVert W_l \rVert_2, \quad
        \prod_l \lVert W_l \rVert_2

    and the share of all weights with :math:`|w| > 0.99 \max_i |w_{l,i}|`: the peaks that
    volumization makes at its walls. The ratio is 1 under ENC. For perceptrons without norm layers
    the first product bounds the GBR, and the second the Lipschitz constant; for convolutions that
    takes their norm as operators, see the measurement ``lipschitz``.
    """
    layers = [weight.float() for weight in subject.weights.values() if weight.ndim >= 3]
    norms = torch.stack([weight.flatten(1).norm(dim=1) for weight in layers])
    spectral = torch.stack([spectral_norms(weight.flatten(2)) for weight in layers])
    sizes = sum(weight[0].numel() for weight in layers)
    walls = torch.stack([_at_wall(weight) for weight in layers]).sum(0) / sizes
    values = (
        norms.amax(0) / norms.amin(0),
        norms.square().prod(0),
        spectral.amax(0),
        spectral.prod(0),
        walls,
    )
    return dict(zip(QUANTITIES, values, strict=True))


def _at_wall(weight: Tensor) -> Tensor:
    """How many entries are within 1 % of the largest magnitude, ``[K]``; of zeros, none."""
    sizes = weight.abs()
    largest = sizes.amax(run_dims(sizes))
    count = (sizes > per_run(PEAK * largest, sizes)).sum(run_dims(sizes))
    return count.float().masked_fill(~largest.isfinite(), torch.nan)


MEASUREMENTS.add(
    "layers",
    Measurement(
        config=Layers,
        description="norms and singular values of the layers, and weights at the walls",
        names=names,
        measure=measure,
        quantities=QUANTITIES,
    ),
)
