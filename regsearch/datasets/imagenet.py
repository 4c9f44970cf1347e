"""Tiny-ImageNet and ImageNet-1k: photographs in folders, one for each class (WordNet number).

Sources: F.-F. Li, A. Karpathy, J. Johnson, Stanford CS231n course (2015), in the folder
``tiny-imagenet-200``; O. Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge"
(2015), in the folder ``imagenet``. Classes are numbered in the order of their names; the official
validation images, the only other ones with labels, are the test set.

Images are held in memory. All of ImageNet at 224x224 is 720 GiB: take a part of it
(``train_per_class``, ``test_size``), smaller (``size``), or both; random crops are not drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import AfterValidator, Field

from regsearch.datasets import cifar
from regsearch.datasets._base import DATASETS, Data, Dataset
from regsearch.datasets._folders import (
    Labelled,
    Resize,
    as_they_are,
    chosen,
    class_names,
    cropped,
    decode,
    labelled,
    stretched,
)
from regsearch.datasets._official import (
    OfficialImages,
    damaged,
    data_root,
    fetch_archive,
    missing,
    scaled,
)
from regsearch.datasets._subset import choose
from regsearch.datasets.label_noise import NOISE_OFF
from regsearch.errors import DataError
from regsearch.pixels import Pixels
from regsearch.space import Place

TINY_URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
TINY_MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
IMAGENET_MD5 = "1d675b47d978889d74fa0da5fadfb00e"  # of the archive of training images

STATS = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""Mean and deviation per channel of ImageNet, as every pretrained model expects them."""

SHORTER = 256 / 224
"""Of the shorter side to the crop from its middle, as every paper evaluates."""


class Counts(NamedTuple):
    """What the official folders hold."""

    classes: int
    train: int
    test: int


COUNTS = {
    "tiny_imagenet": Counts(200, 100_000, 10_000),
    "imagenet": Counts(1000, 1_281_167, 50_000),
}


class TinyImagenet(OfficialImages):
    """200 classes of 64x64; normalised with CIFAR-10's constants, as in the volumization paper."""

    kind: Literal["tiny_imagenet"] = "tiny_imagenet"
    size: Annotated[
        int, Field(ge=8, le=1024, description="side to which images are resized (nearest pixel)")
    ] = 64


def _cannot_download(asked: bool) -> bool:
    if asked:
        raise ValueError(
            "imagenet cannot be fetched: register at image-net.org, unpack its two archives of "
            "images, and lay them out as DATA_ROOT/imagenet/train/CLASS/*.JPEG and val/CLASS/*.JPEG"
        )
    return asked


class Imagenet(OfficialImages):
    """A thousand classes; the part that is asked for is decoded into memory."""

    kind: Literal["imagenet"] = "imagenet"
    download: Annotated[
        bool, Place(), AfterValidator(_cannot_download), Field(description="not possible")
    ] = False
    size: Annotated[
        int, Field(ge=8, le=1024, description="side of the square in the middle, of 8/7 the side")
    ] = 224


def fingerprint(config: TinyImagenet | Imagenet) -> str:
    """MD5 of the official archive; ``load`` checks that its classes and images are there."""
    return TINY_MD5 if config.kind == "tiny_imagenet" else IMAGENET_MD5


def load(config: TinyImagenet | Imagenet) -> Data:
    """Images ``[N, 3, size, size]``; the tensors are shared, do not write to them.

    Raises:
        DataError: files are missing or damaged, memory is too small for what is asked for, or the
            download failed.
    """
    return _load(data_root(config), config.model_copy(update=NOISE_OFF))


@lru_cache(maxsize=1)
def _load(root: Path, config: TinyImagenet | Imagenet) -> Data:
    if isinstance(config, TinyImagenet):
        train, test = _find_tiny(root, config.download)
        resize: Resize = as_they_are if config.size == 64 else stretched(config.size)
        stats = cifar.STATS
    else:
        train, test = _find_imagenet(root)
        resize, stats = cropped(config.size, round(SHORTER * config.size)), STATS
    rows = choose(train.labels, test.labels, config)
    files = chosen(train.files, rows.train), chosen(test.files, rows.test)
    pixels = torch.split(decode(config.kind, [*files[0], *files[1]], resize), [*map(len, files)])
    used = stats if config.normalize else None
    x_train, x_test = (scaled(part, used) for part in pixels)
    return Data(
        x_train,
        train.labels[rows.train],
        x_test,
        test.labels[rows.test],
        COUNTS[config.kind].classes,
        fingerprint(config),
        trained=rows.trained,
        pixels=Pixels.of(used),
    )


def _find_tiny(root: Path, download: bool) -> tuple[Labelled, Labelled]:
    folder = root / "tiny-imagenet-200"
    annotations = folder / "val" / "val_annotations.txt"
    if download and not annotations.is_file():
        fetch_archive(root, "tiny_imagenet", TINY_URL, TINY_MD5)
    for part in (folder / "train", annotations):
        if not part.exists():
            raise missing("tiny_imagenet", part, root)

    def annotated(classes: list[str]) -> Labelled:
        return _annotated(annotations, classes)

    return _checked("tiny_imagenet", folder, annotated)


def _annotated(annotations: Path, classes: list[str]) -> Labelled:
    """The validation images, in the order of the file that says which class each shows."""
    lines = annotations.read_text(encoding="utf-8").splitlines()
    try:
        named = [line.split("\t")[:2] for line in lines]
        numbers = {name: number for number, name in enumerate(classes)}
        labels = [numbers[name] for _, name in named]
    except (ValueError, KeyError) as strange:
        why = f"a line does not name an image and a class ({strange})"
        raise damaged("tiny_imagenet", annotations, why) from strange
    files = [annotations.parent / "images" / file for file, _ in named]
    return Labelled(files, torch.tensor(labels))


def _find_imagenet(root: Path) -> tuple[Labelled, Labelled]:
    folder = root / "imagenet"
    for part in (folder / "train", folder / "val"):
        if not part.is_dir():
            raise DataError(
                f"imagenet: no folder {part}. It needs {folder}/train/CLASS/*.JPEG and "
                f"{folder}/val/CLASS/*.JPEG; the archives are at image-net.org, for those who "
                "register. dataset.data_root or $REGSEARCH_DATA name another folder"
            )
    return _checked("imagenet", folder, lambda classes: labelled(folder / "val", classes))


def _checked(
    kind: str, folder: Path, find_test: Callable[[list[str]], Labelled]
) -> tuple[Labelled, Labelled]:
    """Training and test images, if there are as many as there should be."""
    classes = class_names(folder / "train")
    train, test = labelled(folder / "train", classes), find_test(classes)
    found = Counts(len(classes), len(train.files), len(test.files))
    if found != COUNTS[kind]:
        official = COUNTS[kind]
        why = (
            f"it holds {found.train:,} training and {found.test:,} validation images of "
            f"{found.classes:,} classes, not {official.train:,} and {official.test:,} of "
            f"{official.classes:,}; a part of the set, or one of your own, is an image_folder"
        )
        raise damaged(kind, folder, why)
    return train, test


DATASETS.add(
    "tiny_imagenet",
    Dataset(TinyImagenet, "photographs, 200 classes, 64x64, 100,000 / 10,000", load, fingerprint),
)
DATASETS.add(
    "imagenet",
    Dataset(Imagenet, "photographs, 1,000 classes, a part of it in memory", load, fingerprint),
)
