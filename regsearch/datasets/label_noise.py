"""Label noise: a share of the training labels is made wrong, once, before training.

The papers flip each label with some probability; here an exact number is flipped, so that runs of
one noise level are equally noisy. Which class a wrong label names is the kind of the noise:

- symmetric: each of the others, equally often (as in the volumization paper);
- pairwise: the next one, the first after the last;
- asymmetric: the one that the class is mistaken for, and other classes stay as they are (Patrini
  et al., "Making Deep Neural Networks Robust to Label Noise", CVPR 2017).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

NoiseKind = Literal["symmetric", "pairwise", "asymmetric"]

NOISE_OFF = {"label_noise": 0.0, "label_noise_kind": "symmetric", "clean_validation": False}
"""Settings that leave what is loaded as it is."""

HANDWRITTEN = {7: 1, 2: 7, 5: 6, 6: 5, 3: 8}
"""Which digit each digit is mistaken for, as Patrini et al. have it for MNIST."""


def noisy_labels(
    labels: Tensor,
    classes: int,
    rate: float,
    seed: int,
    kind: NoiseKind = "symmetric",
    confusions: Mapping[int, int] | None = None,
) -> Tensor:
    """Copy of ``labels``, ``[N]``, of which ``round(rate * N)`` name a wrong class.

    Asymmetric noise makes ``round(rate * n)`` wrong of the ``n`` labels of each class that is
    mistaken for another. Symmetric and pairwise noise of one seed choose the same examples.

    Levels are nested: with the same seed, a higher rate keeps every wrong label of a lower one and
    adds more, so that noise levels can be compared in pairs.

    Args:
        labels: clean labels, ``[N]`` int64, in 0..``classes`` - 1.
        classes: number of classes, at least 2.
        rate: share of the labels that become wrong, in [0, 1].
        seed: of the run; other draws of the same run are independent of this one.
        kind: which class a wrong label names.
        confusions: for asymmetric noise, the class that each class is mistaken for.

    Raises:
        ValueError: ``classes`` or ``rate`` is out of range, or ``confusions`` are needed.
    """
    if classes < 2 or not 0 <= rate <= 1:
        raise ValueError(f"needs 2 or more classes, rate in [0, 1]; got {classes=}, {rate=}")
    generator = _generator(seed)
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    if kind == "asymmetric":
        return _mistaken(labels, order, rate, confusions)
    chosen = order[: round(rate * len(labels))]
    shift = torch.randint(1, classes, labels.shape, generator=generator).to(labels.device)
    noisy = labels.clone()
    noisy[chosen] = (labels[chosen] + (shift[chosen] if kind == "symmetric" else 1)) % classes
    return noisy


def _mistaken(
    labels: Tensor, order: Tensor, rate: float, confusions: Mapping[int, int] | None
) -> Tensor:
    if not confusions:
        raise ValueError("asymmetric noise needs to know which class is mistaken for which")
    noisy, shuffled = labels.clone(), labels[order]
    for source, named in confusions.items():
        members = order[shuffled == source]
        noisy[members[: round(rate * len(members))]] = named
    return noisy


def _generator(seed: int) -> torch.Generator:
    key = hashlib.sha256(f"{seed}/label_noise".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))
