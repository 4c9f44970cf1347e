"""The order of a grid's points: its corners, then its middles, then its quarters."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def coarse_to_fine(lengths: Sequence[int]) -> list[tuple[int, tuple[int, ...]]]:
    """Every point of a grid with its level, coarse to fine; a point is one index per axis.

    The level of a point is the largest of its indices' levels, so the points up to a level are
    a coarser grid of the same extent. Points of one level are in the order of their indices.
    """
    levels = [axis_levels(length) for length in lengths]
    points = itertools.product(*map(range, lengths))
    levelled = (
        (max((level[i] for level, i in zip(levels, point, strict=True)), default=0), point)
        for point in points
    )
    return sorted(levelled)


def axis_levels(length: int) -> list[int]:
    """Level of each index of an axis: 0 for its ends, 1 for the middle, 2 for the quarters.

    >>> axis_levels(7)
    [0, 3, 2, 1, 2, 3, 0]
    """
    levels = [0] * length
    gaps, level = [(0, length - 1)], 1
    while gaps:
        halves = []
        for low, high in gaps:
            if high - low > 1:
                middle = (low + high) // 2
                levels[middle] = level
                halves += [(low, middle), (middle, high)]
        gaps, level = halves, level + 1
    return levels
