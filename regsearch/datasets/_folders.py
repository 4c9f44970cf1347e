"""Images in folders, one folder for each class, decoded into memory as far as they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from regsearch.errors import DataError

BYTES = 9
"""Of memory per value while data are prepared: as a byte, as float32, and once more split."""

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Resize = Callable[[Any], Any]
"""From an image of PIL to another."""


class Labelled(NamedTuple):
    """Image files, class by class and by name within each."""

    files: list[Path]
    labels: Tensor  # [N], int64


def class_names(folder: Path) -> list[str]:
    """Names of the folders in ``folder``, sorted; class c is the c-th."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())


def labelled(folder: Path, classes: Sequence[str]) -> Labelled:
    """All images at any depth in the folders of ``classes`` in ``folder``."""
    found = [_images(folder / name) for name in classes]
    counts = torch.tensor([len(files) for files in found])
    labels = torch.arange(len(classes)).repeat_interleave(counts)
    return Labelled([file for files in found for file in files], labels)


def _images(folder: Path) -> list[Path]:
    return sorted(
        Path(inside, name)
        for inside, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(ENDINGS)
    )


def chosen(files: Sequence[Path], rows: Tensor | slice) -> list[Path]:
    """The files in these ``rows``."""
    if isinstance(rows, slice):
        return list(files[rows])
    return [files[row] for row in rows.tolist()]


def decode(kind: str, files: Sequence[Path], resize: Resize) -> Tensor:
    """Colours ``[N, 3, H, W]``, uint8, of the images after ``resize``.

    Raises:
        DataError: an image is damaged or of another size than the first, or memory is too small.
    """
    from torchvision.datasets.folder import pil_loader  # takes seconds
    from torchvision.transforms.functional import pil_to_tensor

    def read(file: Path) -> Tensor:
        try:
            return pil_to_tensor(resize(pil_loader(str(file))))
        except (OSError, SyntaxError, ValueError) as unreadable:
            raise DataError(f"{kind}: {file} is no readable image: {unreadable}") from unreadable

    first = read(files[0])
    check_memory(kind, len(files), first.shape)
    pixels = torch.empty(len(files), *first.shape, dtype=torch.uint8)

    def place(row: int) -> None:
        image = read(files[row])
        if image.shape != first.shape:
            raise DataError(
                f"{kind}: {files[row]} is {_size(image)}, and {files[0]} {_size(first)}; give all "
                "of them one size with dataset.size"
            )
        pixels[row] = image

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        for _ in threads.map(place, range(len(files))):
            pass
    return pixels


def check_memory(kind: str, count: int, shape: Sequence[int]) -> None:
    """Refuse what cannot be held: all images that are asked for stay in memory.

    Raises:
        DataError: ``count`` images of ``shape``, ``[3, H, W]``, need more than what is free.
    """
    import psutil

    need, free = BYTES * count * torch.Size(shape).numel(), psutil.virtual_memory().available
    if need > free:
        raise DataError(
            f"{kind}: {count:,} images of {shape[1]}x{shape[2]} need {need / 2**30:,.1f} GiB of "
            f"memory, and {free / 2**30:,.1f} are free; ask for fewer (dataset.train_size, "
            "train_per_class, test_size) or smaller ones (dataset.size)"
        )


def _size(image: Tensor) -> str:
    return f"{image.shape[1]}x{image.shape[2]}"


def as_they_are(image: Any) -> Any:
    """No resizing."""
    return image


def stretched(size: int) -> Resize:
    """To a square of ``size``, each pixel the nearest one."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.functional import resize

    return lambda image: resize(image, [size, size], InterpolationMode.NEAREST)


def cropped(size: int, shorter: int) -> Resize:
    """The ``shorter`` side to that length, smoothly, then the square of ``size`` in the middle."""
    from torchvision.transforms.functional import center_crop, resize

    return lambda image: center_crop(resize(image, [shorter]), [size, size])
