"""SVHN: 32x32 colour images of house numbers, 10 classes, the official 73,257 / 26,032 split.

Source: Y. Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning"
(2011): ``train_32x32.mat`` and ``test_32x32.mat`` in the folder ``SVHN``, read and checked by
torchvision. The easier extra set is left out, as in the PathProx paper.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch

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

STATS = [0.4377, 0.4438, 0.4728], [0.1980, 0.2010, 0.1970]
"""Mean and deviation per channel of the training set."""

SPLITS = ("train", "test")


class Svhn(OfficialImages):
    """Digits of house numbers; class c is the digit c."""

    kind: Literal["svhn"] = "svhn"


def fingerprint(config: Svhn) -> str:
    """First halves of the MD5s of the official files; ``load`` accepts no others."""
    return "e26dedcc434d2e4ceb5a983be6a31542"


def load(config: Svhn) -> Data:
    """Images ``[N, 3, 32, 32]``; the tensors are shared, do not write to them.

    Raises:
        DataError: a file is missing or has not the official content, or the download failed.
    """
    whole = _read(data_root(config), config.download, config.normalize, fingerprint(config))
    return subset(whole, config)


@lru_cache(maxsize=1)
def _read(root: Path, download: bool, normalize: bool, fingerprint: str) -> Data:
    from torchvision.datasets import SVHN  # takes seconds

    def fill(folder: str) -> None:
        for split in SPLITS:
            SVHN(str(Path(folder, "SVHN")), split, download=True)

    if download and _first_bad(SVHN, root) is not None:
        fetch(root, "svhn", fill)
    bad = _first_bad(SVHN, root)
    if bad is not None:
        raise damaged("svhn", bad) if bad.exists() else missing("svhn", bad, root)
    train, test = (SVHN(str(root / "SVHN"), split) for split in SPLITS)
    stats = STATS if normalize else None
    return Data(
        scaled(torch.from_numpy(train.data), stats),
        torch.from_numpy(train.labels),
        scaled(torch.from_numpy(test.data), stats),
        torch.from_numpy(test.labels),
        10,
        fingerprint,
        pixels=Pixels.of(stats),
    )


def _first_bad(svhn: Any, root: Path) -> Path | None:
    """The first official file that is missing or has another checksum (torchvision's MD5)."""
    from torchvision.datasets.utils import check_integrity

    files = ((root / "SVHN" / svhn.split_list[s][1], svhn.split_list[s][2]) for s in SPLITS)
    return next((file for file, md5 in files if not check_integrity(file, md5)), None)


DATASETS.add(
    "svhn",
    Dataset(Svhn, "digits of house numbers in colour, 32x32, 73,257 / 26,032", load, fingerprint),
)
