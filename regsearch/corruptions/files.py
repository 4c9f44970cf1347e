"""The benchmarks' official files, read where they lie and only as far as is asked for.

MNIST-C: ``FAMILY/test_images.npy`` and ``FAMILY/test_labels.npy``. CIFAR-10-C: ``FAMILY.npy``, the
five severities one after the other, and ``labels.npy``, the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regsearch.corruptions.benchmarks import BENCHMARKS
from regsearch.errors import DataError

Bytes = NDArray[Any]


class Official(NamedTuple):
    """Whose files, where they lie, and which."""

    benchmark: str
    folder: str
    families: tuple[str, ...]


def labels(asked: Official) -> Tensor:
    """The classes of the whole test set, ``[T]`` int64.

    Raises:
        DataError: a file is missing or damaged, or labels differ from family to family.
    """
    first, *others = (_labels(asked, family) for family in asked.families)
    for family, other in zip(asked.families[1:], others, strict=True):
        if not np.array_equal(first, other):
            raise _damaged(asked, family, f"its labels are not those of {asked.families[0]}")
    return torch.from_numpy(first.astype(np.int64))


def images(asked: Official, family: str, severity: int, rows: Tensor) -> Tensor:
    """These ``rows`` of the test set, ``[N, C, H, W]`` uint8.

    Raises:
        DataError: the file is missing or damaged, or has another shape than the benchmark's.
    """
    benchmark, stored = BENCHMARKS[asked.benchmark], _stored(asked, family)
    held = list(benchmark.families[family])
    begin = len(stored) // len(held) * held.index(severity)
    chosen = np.asarray(stored[begin + rows.numpy()])
    shaped = chosen.reshape(len(chosen), benchmark.side, benchmark.side, benchmark.channels)
    return torch.from_numpy(shaped).permute(0, 3, 1, 2).contiguous()


def digest(asked: Official, severities: Mapping[str, Sequence[int]], rows: Tensor) -> str:
    """SHA-256 of these ``rows`` at these ``severities`` of each family, and of their labels.

    Raises:
        DataError: a file is missing or damaged.
    """
    read = hashlib.sha256(labels(asked)[rows].numpy().tobytes())
    for family, chosen in severities.items():
        for severity in chosen:
            read.update(f"{family} {severity}".encode())
            read.update(images(asked, family, severity, rows).numpy().tobytes())
    return read.hexdigest()[:16]


def versions(asked: Official) -> tuple[tuple[int, int], ...]:
    """Sizes and dates of the files: as long as they are equal, so is what was read."""
    return tuple(_version(file) for family in asked.families for file in _files(asked, family))


def _version(file: Path) -> tuple[int, int]:
    facts = file.stat() if file.is_file() else None
    return (facts.st_size, facts.st_mtime_ns) if facts else (0, 0)


def _files(asked: Official, family: str) -> tuple[Path, Path]:
    """Images and labels."""
    folder = Path(asked.folder)
    if asked.benchmark == "mnist_c":
        return folder / family / "test_images.npy", folder / family / "test_labels.npy"
    return folder / f"{family}.npy", folder / "labels.npy"


def _labels(asked: Official, family: str) -> Bytes:
    """Labels of one severity: they are stored once for each."""
    file = _files(asked, family)[1]
    stored = _opened(asked, file)
    severities = len(BENCHMARKS[asked.benchmark].families[family])
    if stored.ndim != 1 or stored.dtype.kind not in "iu" or len(stored) % severities:
        raise _damaged(asked, family, f"{file.name} is {stored.dtype} {list(stored.shape)}")
    parts = np.split(stored, severities)
    if any(not np.array_equal(part, parts[0]) for part in parts):
        raise _damaged(asked, family, f"{file.name} differs from severity to severity")
    return parts[0]


def _stored(asked: Official, family: str) -> Bytes:
    benchmark, stored = BENCHMARKS[asked.benchmark], _opened(asked, _files(asked, family)[0])
    count = len(_labels(asked, family)) * len(benchmark.families[family])
    shape = (count, benchmark.side, benchmark.side, benchmark.channels)
    if stored.dtype != np.uint8 or stored.shape not in (shape, shape[:3] + shape[4:]):
        found, wanted = list(stored.shape), list(shape)
        raise _damaged(asked, family, f"it holds {stored.dtype} {found}, not uint8 {wanted}")
    return stored


def _opened(asked: Official, file: Path) -> Bytes:
    """The array in ``file``, mapped: nothing is read until it is asked for."""
    title, archive = BENCHMARKS[asked.benchmark].title, BENCHMARKS[asked.benchmark].archive
    if not file.is_file():
        raise DataError(
            f"corruptions: no file {file}. Unpack {title} from {archive}, and name the folder "
            f"{BENCHMARKS[asked.benchmark].folder} that it gives in `folder`, or lay it into "
            "$REGSEARCH_DATA; or write source: generated"
        )
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as unreadable:
        raise DataError(
            f"corruptions: {file} is no readable array ({unreadable}); unpack {title} from "
            f"{archive} once more"
        ) from unreadable


def _damaged(asked: Official, family: str, why: str) -> DataError:
    benchmark = BENCHMARKS[asked.benchmark]
    return DataError(
        f"corruptions: {_files(asked, family)[0]} is not of {benchmark.title}: {why}; unpack it "
        f"from {benchmark.archive} once more"
    )
