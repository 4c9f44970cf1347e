"""Symmetric label noise: a share of the training labels is made wrong, once, before training.

The volumization paper flips each label with probability ``rate``; here exactly ``round(rate * N)``
labels are flipped, so that runs of one noise level are equally noisy. Which class a wrong label
names is distributed as in the paper: uniform over the others.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def noisy_labels(labels: Tensor, classes: int, rate: float, seed: int) -> Tensor:
    """Copy of ``labels``, ``[N]``, of which ``round(rate * N)`` name a wrong class.

    Levels are nested: with the same seed, a higher rate keeps every wrong label of a lower one and
    adds more, so that noise levels can be compared in pairs.

    Args:
        labels: clean labels, ``[N]`` int64, in 0..``classes`` - 1.
        classes: number of classes, at least 2.
        rate: share of the labels that become wrong, in [0, 1].
        seed: of the run; other draws of the same run are independent of this one.

    Raises:
        ValueError: ``classes`` or ``rate`` is out of range.
    """
    if classes < 2 or not 0 <= rate <= 1:
        raise ValueError(f"needs 2 or more classes, rate in [0, 1]; got {classes=}, {rate=}")
    generator = _generator(seed)
    chosen = torch.randperm(len(labels), generator=generator)[: round(rate * len(labels))]
    shift = torch.randint(1, classes, labels.shape, generator=generator)
    chosen, shift = chosen.to(labels.device), shift.to(labels.device)
    noisy = labels.clone()
    noisy[chosen] = (labels[chosen] + shift[chosen]) % classes
    return noisy


def _generator(seed: int) -> torch.Generator:
    key = hashlib.sha256(f"{seed}/label_noise".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))
