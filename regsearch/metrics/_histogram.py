"""Counts the values of K runs, such as the weights of a layer, into histograms that pool."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from regsearch.histogram import Histogram

PEAK = 0.99
"""Of the largest magnitude: what is larger is at the peak."""

LEAST = torch.finfo(torch.float32).tiny
"""What the bins reach beyond at least, so that a layer of zeros has some."""


class Histograms(NamedTuple):
    """Histograms of K runs; each run has a range of its own."""

    low: Tensor  # [K] float64
    high: Tensor  # [K] float64
    counts: Tensor  # [K, bins] int64
    peak: Tensor  # [K] int64
    missing: Tensor  # [K] int64

    def cpu(self) -> Histograms:
        """The same on the host."""
        return Histograms(*(tensor.cpu() for tensor in self))

    def of_run(self, k: int) -> Histogram:
        """That of run ``k``."""
        counts = self.counts[k].numpy().copy()
        low, high, peak, missing = (t[k].item() for t in (self.low, self.high, *self[3:]))
        return Histogram(float(low), float(high), counts, int(peak), int(missing))


def count_values(values: Tensor, bins: int, *, signed: bool = True) -> Histograms:
    """Histograms of ``[K, ...]``, each run's by itself; ``bins`` is even.

    Without ``signed``, bins begin at 0 and values are not below. Run by run, as the places of all
    values take more memory than the values.
    """
    runs = [_count_run(run.flatten(), bins, signed) for run in values.detach()]
    ranges = torch.tensor([[low, high] for low, high, *_ in runs], dtype=torch.float64)
    counts, peak, missing = (torch.stack(column) for column in list(zip(*runs, strict=True))[2:])
    return Histograms(ranges[:, 0], ranges[:, 1], counts, peak, missing)


def _count_run(
    values: Tensor, bins: int, signed: bool
) -> tuple[float, float, Tensor, Tensor, Tensor]:
    finite = values.isfinite()
    known = values[finite].double()  # in which the place of any float32 is exact
    largest = max(float(known.abs().amax()) if len(known) else 0.0, LEAST)
    high = 2.0 ** math.frexp(largest)[1]
    zero = bins // 2 if signed else 0
    place = (known * ((bins - zero) / high)).floor().long() + zero
    counts = torch.bincount(place.clamp_(0, bins - 1), minlength=bins)
    peak = (known.abs() > PEAK * largest).sum()
    return -high if signed else 0.0, high, counts, peak, (~finite).sum()
