"""Your own data: an ``.npz`` file with ``x_train``, ``y_train``, ``x_test`` and ``y_test``.

Images as bytes (uint8, ``[N, H, W, C]``, ``[N, C, H, W]`` or ``[N, H, W]``) become float32 in
[0, 1], ``[N, C, H, W]``; floating-point arrays of any shape are taken as they are, in float32.
Labels are integers 0..C-1. Nothing in the file is ever unpickled.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from regsearch.datasets._base import DATASETS, Data, Dataset, DatasetConfig
from regsearch.errors import DataError
from regsearch.pixels import Pixels
from regsearch.space import Place

KEYS = ("x_train", "y_train", "x_test", "y_test")
Arrays = dict[str, NDArray[Any]]


class ArraysConfig(DatasetConfig):
    """The file is identified by what it holds, so it may be moved or renamed."""

    kind: Literal["arrays"] = "arrays"
    path: Annotated[str, Place(), Field(description=".npz file with x_train, y_train, x_test, ...")]


def fingerprint(config: ArraysConfig) -> str:
    """SHA-256 of the four arrays; hashed once per process as long as the file is not changed.

    Raises:
        DataError: the file is missing, damaged, or not what this module's first lines ask for.
    """
    return _fingerprint(*_version(config))


def load(config: ArraysConfig) -> Data:
    """The four arrays as tensors; they are shared, do not write to them.

    Raises:
        DataError: the file is missing, damaged, or not what this module's first lines ask for.
    """
    return _load(*_version(config))


def _version(config: ArraysConfig) -> tuple[Path, int, int]:
    file = Path(config.path)
    if not file.is_file():
        raise DataError(f"arrays: no file {file}; dataset.path names an .npz file with {KEYS}")
    facts = file.stat()
    return file, facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=64)
def _fingerprint(file: Path, size: int, changed: int) -> str:
    return _digest(_checked(file))


@lru_cache(maxsize=2)
def _load(file: Path, size: int, changed: int) -> Data:
    arrays = _checked(file)
    return Data(
        _features(arrays["x_train"]),
        torch.from_numpy(arrays["y_train"].astype(np.int64)),
        _features(arrays["x_test"]),
        torch.from_numpy(arrays["y_test"].astype(np.int64)),
        int(arrays["y_train"].max()) + 1,
        _digest(arrays),
        pixels=Pixels() if arrays["x_train"].dtype == np.uint8 else None,
    )


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for key in KEYS:
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key}{array.dtype.str}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()[:16]


def _checked(file: Path) -> Arrays:
    arrays = _read(file)
    problems = [*_feature_problems(arrays), *_label_problems(arrays)]
    if problems:
        raise DataError("\n".join(f"arrays: {file}: {problem}" for problem in problems))
    return arrays


def _read(file: Path) -> Arrays:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            absent = [key for key in KEYS if key not in stored]
            if absent:
                raise DataError(
                    f"arrays: {file}: needs the keys {', '.join(KEYS)}; "
                    f"no {', '.join(absent)} among {', '.join(stored)}"
                )
            return {key: stored[key] for key in KEYS}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as unreadable:
        raise DataError(
            f"arrays: {file}: not a readable .npz file of plain arrays ({unreadable}); "
            "write it with numpy.savez_compressed"
        ) from unreadable


def _feature_problems(arrays: Arrays) -> list[str]:
    train, test = arrays["x_train"], arrays["x_test"]
    problems = [
        f"{key}: needs uint8 or floating-point values, got {x.dtype}"
        for key, x in (("x_train", train), ("x_test", test))
        if x.dtype != np.uint8 and x.dtype.kind != "f"
    ]
    if train.dtype != test.dtype or train.shape[1:] != test.shape[1:]:
        problems.append(
            f"x_test: needs the type and example shape of x_train, {train.dtype} "
            f"{list(train.shape[1:])}; got {test.dtype} {list(test.shape[1:])}"
        )
    for key in ("x_train", "x_test"):
        x = arrays[key]
        if x.ndim < 2 or x.size == 0:
            problems.append(f"{key}: needs examples along the first axis, got shape {x.shape}")
        elif x.dtype == np.uint8 and x.ndim == 4 and _channel_axis(x.shape) is None:
            problems.append(
                f"{key}: cannot tell which axis of {x.shape} is the channels (1 or 3 long); "
                "store float32 [N, C, H, W]"
            )
        elif x.dtype.kind == "f" and not np.isfinite(x).all():
            first = int(np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(1))[0])
            problems.append(f"{key}: needs finite values; example {first} has others")
    return problems


def _label_problems(arrays: Arrays) -> list[str]:
    problems = []
    for key, examples in (("y_train", arrays["x_train"]), ("y_test", arrays["x_test"])):
        y = arrays[key]
        if y.dtype.kind not in "iu" or y.shape != examples.shape[:1]:
            problems.append(
                f"{key}: needs one integer for each example, shape {list(examples.shape[:1])}; "
                f"got {y.dtype} {list(y.shape)}"
            )
    if problems:
        return problems
    seen = np.unique(arrays["y_train"])
    if len(seen) < 2 or not np.array_equal(seen, np.arange(len(seen))):
        few = ", ".join(map(str, seen[:5])) + (" ..." if len(seen) > 5 else "")
        problems.append(
            f"y_train: needs the labels 0..C-1, two or more and each of them used; got {few}"
        )
    elif not np.isin(arrays["y_test"], seen).all():
        strange = np.setdiff1d(arrays["y_test"], seen)[0]
        problems.append(f"y_test: needs labels in 0..{len(seen) - 1} as in y_train, got {strange}")
    return problems


def _channel_axis(shape: tuple[int, ...]) -> int | None:
    """Which of axes 1 and 3 of four is 1 or 3 long; nothing if both are, or neither."""
    axes = [axis for axis in (1, 3) if shape[axis] in (1, 3)]
    return axes[0] if len(axes) == 1 else None


def _features(x: NDArray[Any]) -> Tensor:
    if x.dtype != np.uint8:
        return torch.from_numpy(x.astype(np.float32))
    if x.ndim == 4:
        x = np.moveaxis(x, _channel_axis(x.shape) or 1, 1)
    elif x.ndim == 3:
        x = x[:, None]
    return torch.from_numpy(np.ascontiguousarray(x)).float().div_(255)


DATASETS.add("arrays", Dataset(ArraysConfig, "your own .npz file", load, fingerprint))
