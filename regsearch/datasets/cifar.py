"""CIFAR-10 and CIFAR-100: 32x32 colour images, the official 50,000 / 10,000 splits.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), in the
folders ``cifar-10-batches-py`` and ``cifar-100-python`` of the Python versions, read and checked by
torchvision.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regsearch.datasets._base import DATASETS, Data, Dataset
from regsearch.datasets._official import (
    OfficialImages,
    damaged,
    data_root,
    fetch,
    missing,
    scaled,
)
from regsearch.datasets._subset import subset
from regsearch.pixels import Pixels

STATS = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]
"""Mean and deviation per channel as the papers of the field use them (VOL, PathProx).

Those of CIFAR-10; the volumization paper's code uses them for CIFAR-100 and Tiny-ImageNet as well.
"""

SUPERCLASSES = (
    (4, 30, 55, 72, 95), (1, 32, 67, 73, 91), (54, 62, 70, 82, 92), (9, 10, 16, 28, 61),
    (0, 51, 53, 57, 83), (22, 39, 40, 86, 87), (5, 20, 25, 84, 94), (6, 7, 14, 18, 24),
    (3, 42, 43, 88, 97), (12, 17, 37, 68, 76), (23, 33, 49, 60, 71), (15, 19, 21, 31, 38),
    (34, 63, 64, 66, 75), (26, 45, 77, 79, 99), (2, 11, 35, 46, 98), (27, 29, 44, 78, 93),
    (36, 50, 65, 74, 80), (47, 52, 56, 59, 96), (8, 13, 48, 58, 90), (41, 69, 81, 85, 89),
)  # fmt: skip
"""Which classes of CIFAR-100 are alike, as the data set itself groups them."""


class Cifar10(OfficialImages):
    """Natural images of ten kinds of things.

    Asymmetric noise is that of Patrini et al.: truck to automobile, bird to airplane, deer to
    horse, cat and dog to each other.
    """

    confusions: ClassVar[Mapping[int, int]] = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}

    kind: Literal["cifar10"] = "cifar10"


class Cifar100(OfficialImages):
    """Natural images of a hundred kinds of things, in twenty groups.

    Asymmetric noise is that of Patrini et al.: each class to the next of its group.
    """

    confusions: ClassVar[Mapping[int, int]] = {
        group[place - 1]: named for group in SUPERCLASSES for place, named in enumerate(group)
    }

    kind: Literal["cifar100"] = "cifar100"


ARCHIVES = {
    "cifar10": "c58f30108f718f92721af3b95e74349a",
    "cifar100": "eb9058c3a382ffc7106e4002c42a8d85",
}
"""MD5 of the official archives."""

CLASSES = {"cifar10": 10, "cifar100": 100}


def fingerprint(config: Cifar10 | Cifar100) -> str:
    """MD5 of the official archive; ``load`` accepts the files of no other."""
    return ARCHIVES[config.kind]


def load(config: Cifar10 | Cifar100) -> Data:
    """Images ``[N, 3, 32, 32]``; the tensors are shared, do not write to them.

    Raises:
        DataError: a file is missing or has not the official content, or the download failed.
    """
    return subset(_read(config.kind, data_root(config), config.download, config.normalize), config)


@lru_cache(maxsize=1)
def _read(kind: str, root: Path, download: bool, normalize: bool) -> Data:
    from torchvision.datasets import CIFAR10, CIFAR100  # takes seconds

    cifar = CIFAR100 if kind == "cifar100" else CIFAR10
    if download and _first_bad(cifar, root) is not None:
        fetch(root, kind, lambda folder: cifar(folder, download=True))
    bad = _first_bad(cifar, root)
    if bad is not None:
        raise damaged(kind, bad) if bad.exists() else missing(kind, bad, root)
    train, test = (cifar(str(root), train=train) for train in (True, False))
    stats = STATS if normalize else None
    return Data(
        scaled(_channels_first(train.data), stats),
        torch.tensor(train.targets),
        scaled(_channels_first(test.data), stats),
        torch.tensor(test.targets),
        CLASSES[kind],
        ARCHIVES[kind],
        pixels=Pixels.of(stats),
    )


def _first_bad(cifar: Any, root: Path) -> Path | None:
    """The first official file that is missing or has another checksum (torchvision's MD5)."""
    from torchvision.datasets.utils import check_integrity

    official = [*cifar.train_list, *cifar.test_list, (cifar.meta["filename"], cifar.meta["md5"])]
    files = ((root / cifar.base_folder / name, md5) for name, md5 in official)
    return next((file for file, md5 in files if not check_integrity(file, md5)), None)


def _channels_first(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


DATASETS.add(
    "cifar10", Dataset(Cifar10, "natural colour images, 32x32, 50,000 / 10,000", load, fingerprint)
)
DATASETS.add(
    "cifar100",
    Dataset(Cifar100, "as cifar10, a hundred classes, 50,000 / 10,000", load, fingerprint),
)
