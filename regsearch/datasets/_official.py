"""Data sets with official files: the folder where they lie, and the download when asked for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from regsearch.datasets._subset import SubsetConfig
from regsearch.errors import DataError
from regsearch.space import Place

ARCHIVES = (".gz", ".zip")

Normalize = Annotated[
    bool, Field(description="subtract the mean, divide by the deviation, per channel")
]


class OfficialConfig(SubsetConfig):
    """Settings of every data set that is read from its official files."""

    data_root: Annotated[
        str | None,
        Place(),
        Field(description="folder of data sets; null: $REGSEARCH_DATA, else a cache folder"),
    ] = None
    download: Annotated[bool, Place(), Field(description="fetch the files if missing")] = False


class OfficialImages(OfficialConfig):
    """Settings of every official set of images."""

    normalize: Normalize = False


def data_root(config: OfficialConfig) -> Path:
    """Folder that holds the official folders (``MNIST/``, ``cifar-10-batches-py/`` ...)."""
    if named := config.data_root or os.environ.get("REGSEARCH_DATA"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "regsearch"


def fetch(root: Path, kind: str, download: Callable[[str], object]) -> None:
    """Let ``download(folder)`` fill a fresh folder, then move its files into ``root``.

    A file is in its place whole or not at all, also when several workers fetch at once.

    Raises:
        DataError: the network, the disk or the checksum refused.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as fresh:
            download(fresh)
            for file in Path(fresh).rglob("*"):
                if file.is_file() and file.suffix not in ARCHIVES:  # they are unpacked by now
                    target = root / file.relative_to(fresh)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(target)
    except (OSError, RuntimeError) as refused:
        raise DataError(f"{kind}: cannot download into {root}: {refused}") from refused


def fetch_archive(root: Path, kind: str, url: str, md5: str) -> None:
    """Unpack the archive at ``url`` into ``root``, if it is the official one.

    Raises:
        DataError: the network, the disk or the checksum refused.
    """

    def download(folder: str) -> None:
        from torchvision.datasets.utils import download_and_extract_archive  # takes seconds

        download_and_extract_archive(url, folder, md5=md5, remove_finished=True)

    fetch(root, kind, download)


def missing(kind: str, file: Path, root: Path) -> DataError:
    """What to tell a user who has not got ``file``."""
    return DataError(
        f"{kind}: no file {file}. Put the official files into {file.parent}, or name another "
        f"folder than {root} in dataset.data_root or $REGSEARCH_DATA, or let them be fetched: "
        "-o dataset.download=true"
    )


def damaged(kind: str, file: Path, why: str = "its checksum is not the official one") -> DataError:
    """What to tell a user whose ``file`` cannot be read, or has not the official content."""
    return DataError(
        f"{kind}: {file} is unusable: {why}. Remove it, then put the official file there or let "
        "it be fetched: -o dataset.download=true"
    )


def scaled(pixels: Tensor, stats: tuple[list[float], list[float]] | None) -> Tensor:
    """Bytes ``[N, C, H, W]`` as float32 in [0, 1]; with ``stats``, standardised per channel.

    Args:
        pixels: uint8, any memory layout.
        stats: mean and standard deviation of each channel, on the scale [0, 1].
    """
    images = pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    if stats is not None:
        mean, deviation = (torch.tensor(values).view(-1, 1, 1) for values in stats)
        images.sub_(mean).div_(deviation)
    return images
