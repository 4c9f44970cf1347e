"""CIFAR-10: 32x32 colour images, 10 classes, the official 50,000 / 10,000 split.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), in the
folder ``cifar-10-batches-py`` of the Python version, read and checked by torchvision.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regsearch.datasets._base import DATASETS, Data, Dataset
from regsearch.datasets._official import (
    OfficialConfig,
    damaged,
    data_root,
    fetch,
    missing,
    scaled,
    subset,
)

STATS = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]
"""Mean and deviation per channel as the papers of the field use them (VOL, PathProx)."""


class Cifar10(OfficialConfig):
    """Natural images of ten kinds of things."""

    kind: Literal["cifar10"] = "cifar10"


def fingerprint(config: Cifar10) -> str:
    """MD5 of the official archive; ``load`` accepts the files of no other."""
    return "c58f30108f718f92721af3b95e74349a"


def load(config: Cifar10) -> Data:
    """Images ``[N, 3, 32, 32]``; the tensors are shared, do not write to them.

    Raises:
        DataError: a file is missing or has not the official content, or the download failed.
    """
    whole = _read(data_root(config), config.download, config.normalize, fingerprint(config))
    return subset(whole, config)


@lru_cache(maxsize=1)
def _read(root: Path, download: bool, normalize: bool, fingerprint: str) -> Data:
    from torchvision.datasets import CIFAR10  # takes seconds

    if download and _first_bad(CIFAR10, root) is not None:
        fetch(root, "cifar10", lambda folder: CIFAR10(folder, download=True))
    bad = _first_bad(CIFAR10, root)
    if bad is not None:
        raise damaged("cifar10", bad) if bad.exists() else missing("cifar10", bad, root)
    train, test = (CIFAR10(str(root), train=train) for train in (True, False))
    stats = STATS if normalize else None
    return Data(
        scaled(_channels_first(train.data), stats),
        torch.tensor(train.targets),
        scaled(_channels_first(test.data), stats),
        torch.tensor(test.targets),
        10,
        fingerprint,
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
