"""Your own images: a folder with ``train/`` and ``test/`` (or ``val/``), one folder for each class.

Images may be of any size and format that Pillow reads; they become float32 in [0, 1],
``[N, 3, H, W]``, and stay in memory.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from regsearch.datasets._base import DATASETS, Data, Dataset
from regsearch.datasets._folders import (
    Labelled,
    as_they_are,
    chosen,
    class_names,
    cropped,
    decode,
    labelled,
)
from regsearch.datasets._official import Normalize, scaled
from regsearch.datasets._subset import SubsetConfig, choose
from regsearch.datasets.label_noise import NOISE_OFF
from regsearch.errors import DataError
from regsearch.pixels import Pixels
from regsearch.space import Place

SPLITS = ("train", "test", "val")


class ImageFolder(SubsetConfig):
    """The images are identified by what they hold, so the folder may be moved or renamed."""

    kind: Literal["image_folder"] = "image_folder"
    path: Annotated[
        str, Place(), Field(description="folder with train/CLASS/... and test/CLASS/... (or val/)")
    ]
    size: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="shorter side, then cropped to a square; null: all are of one size"),
    ] = None
    normalize: Normalize = False


class Folder(NamedTuple):
    """One version of the user's folder: it is read once per process as long as this is equal."""

    path: Path
    changed: tuple[int, ...]  # when something was added or removed


def fingerprint(config: ImageFolder) -> str:
    """SHA-256 of all images and their classes; hashed once per process.

    Raises:
        DataError: the folder is missing, or not what this module's first lines ask for.
    """
    return _fingerprint(_version(config))


def load(config: ImageFolder) -> Data:
    """Images ``[N, 3, H, W]``; if normalised, by the statistics of those read for training.

    Raises:
        DataError: the folder is missing, an image is damaged or of another size, or memory is
            too small for all of them.
    """
    return _load(_version(config), config.model_copy(update=NOISE_OFF))


def _version(config: ImageFolder) -> Folder:
    path = Path(config.path)
    splits = [path / name for name in SPLITS if (path / name).is_dir()]
    if len(splits) != 2 or splits[0].name != "train":
        raise DataError(
            f"image_folder: {path} needs the folders train and test (or val); it has "
            f"{', '.join(split.name for split in splits) or 'neither'}. dataset.path names it"
        )
    return Folder(path, tuple(split.stat().st_mtime_ns for split in splits))


@lru_cache(maxsize=8)
def _fingerprint(folder: Folder) -> str:
    digest = hashlib.sha256()
    for split, (files, labels) in zip(("train", "test"), _splits(folder), strict=True):
        for file, label in zip(files, labels.tolist(), strict=True):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{split}/{label}/{file.name}/{content}\n".encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def _load(folder: Folder, config: ImageFolder) -> Data:
    train, test = _splits(folder)
    rows = choose(train.labels, test.labels, config)
    resize = as_they_are if config.size is None else cropped(config.size, config.size)
    files = chosen(train.files, rows.train), chosen(test.files, rows.test)
    pixels = torch.split(decode("image_folder", [*files[0], *files[1]], resize), [*map(len, files)])
    stats = _statistics(pixels[0]) if config.normalize else None
    return Data(
        scaled(pixels[0], stats),
        train.labels[rows.train],
        scaled(pixels[1], stats),
        test.labels[rows.test],
        int(train.labels.max()) + 1,
        _fingerprint(folder),
        trained=rows.trained,
        pixels=Pixels.of(stats),
    )


def _statistics(pixels: Tensor) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel on the scale [0, 1]."""
    deviation, mean = torch.std_mean(scaled(pixels, None), (0, 2, 3), correction=0)
    return mean.tolist(), deviation.clamp(min=1e-6).tolist()


def _splits(folder: Folder) -> tuple[Labelled, Labelled]:
    train, test = (folder.path / name for name in SPLITS if (folder.path / name).is_dir())
    classes = class_names(train)
    problems = []
    if len(classes) < 2:
        problems.append(f"{train} needs a folder for each of two or more classes")
    if strange := sorted(set(class_names(test)) - set(classes)):
        problems.append(f"{test} has the class {strange[0]}, which {train} has not")
    found = labelled(train, classes), labelled(test, classes)
    for name, count in zip(classes, found[0].labels.bincount(minlength=len(classes)), strict=True):
        if count == 0:
            problems.append(f"{train / name} holds no image")
    if not found[1].files:
        problems.append(f"{test} holds no image")
    if problems:
        raise DataError("\n".join(f"image_folder: {problem}" for problem in problems))
    return found


DATASETS.add(
    "image_folder",
    Dataset(ImageFolder, "your own images, a folder for each class", load, fingerprint),
)
