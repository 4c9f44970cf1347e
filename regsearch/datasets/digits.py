"""Handwritten digits that ship with scikit-learn: 1,797 images of 8x8, 10 classes, no download.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI repository.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from regsearch.datasets._base import DATASETS, Data, Dataset, DatasetConfig
from regsearch.datasets.label_noise import HANDWRITTEN
from regsearch.errors import DataError
from regsearch.pixels import Pixels

CHECKSUM = "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
"""SHA-256 of the pixels as bytes, in scikit-learn's order."""


class Digits(DatasetConfig):
    """The split is one fixed shuffle; the first ``train_size`` images of it are for training."""

    confusions: ClassVar[Mapping[int, int]] = HANDWRITTEN

    kind: Literal["digits"] = "digits"
    train_size: Annotated[int, Field(ge=1, le=1796, description="the rest of 1,797 is test")] = 1000


def fingerprint(config: Digits) -> str:
    """Of the content, which ``load`` checks, and of the split."""
    return f"{CHECKSUM[:16]}-{config.train_size}"


def load(config: Digits) -> Data:
    """Images ``[N, 1, 8, 8]`` in [0, 1]; the tensors are shared, do not write to them.

    Raises:
        DataError: the installed scikit-learn ships other images.
    """
    return _split(config.train_size, fingerprint(config))


@lru_cache(maxsize=2)
def _split(train_size: int, fingerprint: str) -> Data:
    table = np.loadtxt(_file(), delimiter=",", dtype=np.uint8)
    pixels, labels = np.ascontiguousarray(table[:, :-1]), table[:, -1]
    if hashlib.sha256(pixels.tobytes()).hexdigest() != CHECKSUM:
        raise DataError("digits: scikit-learn ships other images than before; install 1.7 to 1.9")
    order = torch.from_numpy(np.random.RandomState(0).permutation(len(labels)))
    x = torch.from_numpy(pixels).float().div(16).view(-1, 1, 8, 8)[order]
    y = torch.from_numpy(labels).long()[order]
    parts = x[:train_size], y[:train_size], x[train_size:], y[train_size:]
    return Data(*parts, 10, fingerprint, pixels=Pixels())


def _file() -> Path:
    """The table inside scikit-learn: importing its loader takes every worker 1.7 s, this 0.1 s."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("dataset digits: scikit-learn, which holds it, is not installed")
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"


DATASETS.add("digits", Dataset(Digits, "8x8 digits that ship with scikit-learn", load, fingerprint))
