"""What a corruption is: a pure function of images, a published constant, and numbers drawn by row.

An image is corrupted in one way, whatever others are beside it: its random numbers follow from its
row in the test set, the family and the severity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from regsearch import draws
from regsearch.registry import Registry

CHUNK = 256
"""Images that are corrupted at a time."""


class Images(NamedTuple):
    """Images to corrupt, and where their random numbers come from."""

    x: Tensor  # [N, C, H, W], float32 in [0, 1]
    row: Tensor  # [N], int64: which example of the test set each is
    unit: float  # how many of their pixels are as long as one of the benchmark's
    stream: str  # what the random numbers are for
    severity: int

    def uniform(self, what: str, *shape: int) -> Tensor:
        """Independent and uniform in (0, 1), ``[N, *shape]``."""
        return draws.uniform(self.row, *self._place(what, shape))

    def normal(self, what: str, *shape: int) -> Tensor:
        """Independent N(0, 1), ``[N, *shape]``."""
        return draws.normal(self.row, *self._place(what, shape))

    def integers(self, what: str, low: int, high: int, *shape: int) -> Tensor:
        """Independent integers from ``low`` to below ``high``, ``[N, *shape]``."""
        return (self.uniform(what, *shape) * (high - low)).floor().long() + low

    def signs(self, what: str) -> Tensor:
        """-1 or 1 with equal chances, ``[N]``."""
        return 1 - 2 * (self.uniform(what) < 0.5).to(self.x.dtype)

    def parts(self, size: int) -> Iterator[Images]:
        """The same in parts of at most ``size`` images, where much is drawn for each."""
        for x, row in zip(torch.split(self.x, size), torch.split(self.row, size), strict=True):
            yield self._replace(x=x, row=row)

    def _place(self, what: str, shape: tuple[int, ...]) -> tuple[Tensor, str, Tensor]:
        like = self.x.new_empty(()).expand(len(self.x), *shape)
        return torch.tensor(self.severity), f"{self.stream} {what}", like


class Corruption(NamedTuple):
    """``apply(images, constant)`` gives ``[N, C, H, W]``, which ``corrupt`` confines to [0, 1].

    ``levels`` are the published constants by benchmark, from severity 1 on; a single one: the
    family has no severities. Lengths are in pixels of the benchmark's images.
    """

    description: str
    apply: Callable[[Images, Any], Tensor]
    levels: Mapping[str, Sequence[Any]]


CORRUPTIONS: Registry[Corruption] = Registry("corruption")


def corrupt(
    x: Tensor, row: Tensor, family: str, benchmark: str, side: int, severity: int
) -> Tensor:
    """Images after one corruption, as bytes, ``[N, C, H, W]`` uint8.

    Args:
        x: pixels in [0, 1], ``[N, C, H, W]``, float32.
        row: which example of the test set each is, ``[N]``, int64.
        family: name of the corruption.
        benchmark: whose constants to use.
        side: of the benchmark's images; on others lengths scale with the shorter side.
        severity: from 1; of a family without severities, 1.

    Raises:
        UnknownName: there is no such corruption.
    """
    corruption = CORRUPTIONS[family]
    constant = corruption.levels[benchmark][severity - 1]
    images = Images(x, row, min(x.shape[2:]) / side, f"{benchmark} {family}", severity)
    parts = (corruption.apply(part, constant) for part in images.parts(CHUNK))
    return torch.cat([as_bytes(part) for part in parts])


def as_bytes(x: Tensor) -> Tensor:
    """Pixels in [0, 1] as the nearest bytes; values beyond are cut.

    The releases round down instead, which darkens by half of 1/255.
    """
    return x.clamp(0, 1).mul(255).round().to(torch.uint8)


def luminance(x: Tensor) -> Tensor:
    """Grey value of colours by ITU-R BT.601, ``[N, 1, H, W]``; grey images are left as they are."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return (x * x.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
