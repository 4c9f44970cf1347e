"""MNIST and Fashion-MNIST: 28x28 grey images, 10 classes, the official 60,000 / 10,000 split.

Sources: Y. LeCun, C. Cortes, C. Burges, "The MNIST database"; H. Xiao, K. Rasul, R. Vollgraf,
"Fashion-MNIST" (arXiv:1708.07747). The four files are read where they lie, packed or unpacked,
from the folders that torchvision uses; nothing is written unless a download was asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
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
from regsearch.datasets.label_noise import HANDWRITTEN
from regsearch.pixels import Pixels


class Mnist(OfficialImages):
    """Handwritten digits."""

    confusions: ClassVar[Mapping[int, int]] = HANDWRITTEN

    kind: Literal["mnist"] = "mnist"


class FashionMnist(OfficialImages):
    """Pictures of clothes, in MNIST's format.

    Asymmetric noise is that of Z. Zhang and M. Sabuncu, "Generalized Cross Entropy Loss for
    Training Deep Neural Networks with Noisy Labels" (NeurIPS 2018): boot to sneaker, sneaker to
    sandal, pullover to shirt, coat and dress to each other.
    """

    confusions: ClassVar[Mapping[int, int]] = {9: 7, 7: 5, 2: 6, 4: 3, 3: 4}

    kind: Literal["fashion_mnist"] = "fashion_mnist"


class Official(NamedTuple):
    """What identifies one of the two sets."""

    name: str  # of the folder, and of torchvision's class
    mean: float
    deviation: float
    checksums: dict[str, str]  # SHA-256 of each unpacked file


SETS = {
    "mnist": Official(
        "MNIST",
        0.1307,
        0.3081,
        {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738"
            "ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5"
            "333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77"
            "db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351"
            "222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion_mnist": Official(
        "FashionMNIST",
        0.2860,
        0.3530,
        {
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f8388776"
            "8d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec29"
            "4ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe0"
            "87ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494"
            "c5af83dab82d92729df917d7dec38c34",
        },
    ),
}


def fingerprint(config: Mnist | FashionMnist) -> str:
    """Of the official content; ``load`` accepts no other."""
    return _checksum("".join(SETS[config.kind].checksums.values()).encode())[:16]


def load(config: Mnist | FashionMnist) -> Data:
    """Images ``[N, 1, 28, 28]``; the tensors are shared, do not write to them.

    Raises:
        DataError: a file is missing or has not the official content, or the download failed.
    """
    whole = _read(
        config.kind, data_root(config), config.download, config.normalize, fingerprint(config)
    )
    return subset(whole, config)


@lru_cache(maxsize=2)
def _read(kind: str, root: Path, download: bool, normalize: bool, fingerprint: str) -> Data:
    official = SETS[kind]
    raw = root / official.name / "raw"
    if download and any(_find(raw, name) is None for name in official.checksums):
        fetch(root, kind, _downloader(official.name))
    bodies = [_content(kind, raw, name, root) for name in official.checksums]
    stats = ([official.mean], [official.deviation]) if normalize else None
    x_train, y_train, x_test, y_test = (_tensor(body) for body in bodies)
    return Data(
        scaled(x_train.unsqueeze(1), stats),
        y_train.long(),
        scaled(x_test.unsqueeze(1), stats),
        y_test.long(),
        10,
        fingerprint,
        pixels=Pixels.of(stats),
    )


def _find(raw: Path, name: str) -> Path | None:
    """The unpacked file, else the packed one, else nothing."""
    return next((file for file in (raw / name, raw / f"{name}.gz") if file.is_file()), None)


def _content(kind: str, raw: Path, name: str, root: Path) -> bytes:
    file = _find(raw, name)
    if file is None:
        raise missing(kind, raw / f"{name}.gz", root)
    try:
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as unreadable:
        raise damaged(kind, file, str(unreadable)) from unreadable
    if _checksum(content) != SETS[kind].checksums[name]:
        raise damaged(kind, file)
    return content


def _tensor(content: bytes) -> Tensor:
    """The bytes of an idx file: 4 bytes of type, 4 for each length (big-endian), the data."""
    lengths = np.frombuffer(content, ">u4", count=content[3], offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + lengths.nbytes)
    return torch.from_numpy(values.reshape(lengths).copy())


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _downloader(name: str) -> Callable[[str], object]:
    def download(folder: str) -> object:
        from torchvision import datasets  # takes seconds

        return getattr(datasets, name)(folder, download=True)

    return download


DATASETS.add(
    "mnist", Dataset(Mnist, "handwritten digits, 28x28, 60,000 / 10,000", load, fingerprint)
)
DATASETS.add(
    "fashion_mnist",
    Dataset(FashionMnist, "clothes in MNIST's format, 60,000 / 10,000", load, fingerprint),
)
