r"""How values are distributed, such as the weights of a layer: counts in bins of equal width.

The bins reach to :math:`2^e`, the smallest power of two above every magnitude, from its negative or
from 0. Bins of two histograms with equally many therefore nest, and the histogram of values that
were counted apart (of several seeds, say) is exact: it is that of all of them together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Histogram(NamedTuple):
    """Values of one run; bins are closed below and open above."""

    low: float  # of the first bin: -high, or 0
    high: float  # of the last bin, a power of two above every magnitude
    counts: NDArray[np.int64]  # [bins]
    peak: int  # values within 1 % of the largest magnitude
    missing: int  # values that are not finite, in no bin

    @property
    def edges(self) -> NDArray[np.float64]:
        """Of the bins, ``[bins + 1]``."""
        return np.linspace(self.low, self.high, len(self.counts) + 1)

    def within(self, high: float) -> Histogram:
        """The same values in as many bins that reach to ``high``, a power of two not below ours."""
        steps = min(math.frexp(high)[1] - math.frexp(self.high)[1], 62)
        zero = len(self.counts) // 2 if self.low < 0 else 0
        counts = np.zeros_like(self.counts)
        np.add.at(counts, ((np.arange(len(counts)) - zero) >> steps) + zero, self.counts)
        return self._replace(low=-high if self.low < 0 else 0.0, high=high, counts=counts)


def pool(histograms: Sequence[Histogram]) -> Histogram:
    """The histogram of the values of all; at least one, with equally many bins.

    Raises:
        ValueError: they differ in the number of bins.
    """
    if len({len(each.counts) for each in histograms}) != 1:
        raise ValueError("histograms can be pooled if they have equally many bins")
    high = max(each.high for each in histograms)
    wide = [each.within(high) for each in histograms]
    return wide[0]._replace(
        counts=np.sum([each.counts for each in wide], 0),
        peak=sum(each.peak for each in wide),
        missing=sum(each.missing for each in wide),
    )
