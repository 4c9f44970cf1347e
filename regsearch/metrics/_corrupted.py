"""Corrupted test examples: generated or read from files, once for each test set."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from regsearch.corruptions import BENCHMARKS, corrupt, files
from regsearch.metrics._base import Subject
from regsearch.metrics._inputs import sample


class Asked(NamedTuple):
    """Which corrupted images."""

    benchmark: str
    severities: tuple[tuple[str, tuple[int, ...]], ...]  # of each family
    samples: int | None
    folder: str | None  # of the official files; None: to be generated

    @property
    def official(self) -> files.Official:
        """The files that are read."""
        families = tuple(family for family, _ in self.severities)
        return files.Official(self.benchmark, self.folder or "", families)


class Corrupted(NamedTuple):
    """The same test examples after each corruption, as bytes on the CPU."""

    rows: Tensor  # [n], int64: which they are
    images: dict[str, list[Tensor]]  # of each family, [n, C, H, W] for every severity


_MADE: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
"""What was made of test sets that are still in use, by what was asked for."""


def corrupted(subject: Subject, asked: Asked) -> Corrupted:
    """The images asked for; they are kept as long as the test set is in use.

    That is until the end of a pack, or longer where packs share one test set.
    """
    if subject.x_test not in _MADE:
        _MADE[subject.x_test] = {}
    made: dict[Asked, Corrupted] = _MADE[subject.x_test]
    if asked not in made:
        made[asked] = _generate(subject, asked) if asked.folder is None else _read(asked)
    return made[asked]


def _generate(subject: Subject, asked: Asked) -> Corrupted:
    rows = sample(len(subject.x_test), asked.samples)
    x = subject.x_test[rows.to(subject.x_test.device)].cpu().float()
    pixels = x if subject.pixels is None else subject.pixels.pixels(x)
    side = BENCHMARKS[asked.benchmark].side
    images = {
        family: [
            corrupt(pixels, rows, family, asked.benchmark, side, severity)
            for severity in severities
        ]
        for family, severities in asked.severities
    }
    return Corrupted(rows, images)


def _read(asked: Asked) -> Corrupted:
    rows = sample(len(files.labels(asked.official)), asked.samples)
    images = {
        family: [files.images(asked.official, family, severity, rows) for severity in severities]
        for family, severities in asked.severities
    }
    return Corrupted(rows, images)


def fingerprint(asked: Asked) -> str:
    """SHA-256 of the images and labels that are read from files; hashed once per process.

    Raises:
        DataError: a file is missing or damaged.
    """
    return _fingerprint(asked, files.versions(asked.official))


@lru_cache(maxsize=8)
def _fingerprint(asked: Asked, versions: object) -> str:
    rows = sample(len(files.labels(asked.official)), asked.samples)
    return files.digest(asked.official, dict(asked.severities), rows)


def as_seen(subject: Subject, images: Tensor) -> Tensor:
    """What the models see of these bytes, ``[n, C, H, W]``."""
    if subject.pixels is None:
        raise ValueError("corruptions are of pixels, and the scale of these inputs is not known")
    return subject.pixels.inputs(images.to(subject.x_test) / 255)
