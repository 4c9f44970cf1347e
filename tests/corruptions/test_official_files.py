"""Official files as the benchmarks lay them out, and what is said of other ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from regsearch.corruptions.files import Official, digest, images, labels, versions
from regsearch.errors import DataError

CLASSES = np.array([3, 1, 2, 0, 1, 1], np.int64)


@pytest.fixture
def mnist_c(tmp_path: Path) -> Official:
    """Two families; every pixel holds its family and its row."""
    for number, family in enumerate(("fog", "zigzag")):
        (tmp_path / family).mkdir()
        rows = np.arange(6, dtype=np.uint8) + 100 * number
        np.save(
            tmp_path / family / "test_images.npy", np.tile(rows[:, None, None, None], (28, 28, 1))
        )
        np.save(tmp_path / family / "test_labels.npy", CLASSES)
    return Official("mnist_c", str(tmp_path), ("fog", "zigzag"))


@pytest.fixture
def cifar10_c(tmp_path: Path) -> Official:
    """Every pixel holds its severity, its row and its channel."""
    pixels = np.zeros((5, 6, 32, 32, 3), np.uint8)
    for severity in range(5):
        for row in range(6):
            pixels[severity, row] = 30 * (severity + 1) + 3 * row + np.arange(3)
    np.save(tmp_path / "frost.npy", pixels.reshape(30, 32, 32, 3))
    np.save(tmp_path / "labels.npy", np.tile(CLASSES, 5).astype(np.uint8))
    return Official("cifar10_c", str(tmp_path), ("frost",))


def test_rows_of_mnist_c_are_read(mnist_c: Official) -> None:
    found = images(mnist_c, "zigzag", 1, torch.tensor([4, 0]))
    assert found.dtype == torch.uint8
    assert found.shape == (2, 1, 28, 28)
    assert [set(image.flatten().tolist()) for image in found] == [{104}, {100}]
    assert torch.equal(images(mnist_c, "fog", 5, torch.arange(6))[:, 0, 3, 3], torch.arange(6))
    assert labels(mnist_c).tolist() == CLASSES.tolist()


def test_severities_of_cifar10_c_lie_one_after_the_other(cifar10_c: Official) -> None:
    found = images(cifar10_c, "frost", 4, torch.tensor([2, 5]))
    assert found.shape == (2, 3, 32, 32)
    assert found[:, :, 0, 31].tolist() == [[126, 127, 128], [135, 136, 137]]
    assert labels(cifar10_c).tolist() == CLASSES.tolist()


def test_the_digest_is_of_what_is_read_and_of_nothing_else(cifar10_c: Official) -> None:
    rows, held = torch.tensor([0, 3]), {"frost": [1, 2]}
    first, date = digest(cifar10_c, held, rows), versions(cifar10_c)
    file = Path(cifar10_c.folder, "frost.npy")
    pixels = np.load(file)
    pixels[1] += 1  # another row
    pixels[6 * 3] += 1  # another severity
    np.save(file, pixels)
    assert versions(cifar10_c) != date
    assert digest(cifar10_c, held, rows) == first
    pixels[6 + 3, 0, 0, 0] += 1
    np.save(file, pixels)
    assert digest(cifar10_c, held, rows) != first


Spoil = Callable[[Path], object]


def write(array: object, name: str) -> Spoil:
    return lambda folder: np.save(folder / name, np.asarray(array), allow_pickle=True)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda folder: (folder / "fog" / "test_images.npy").unlink(), "no file .*Unpack MNIST-C"),
        (
            lambda folder: (folder / "fog" / "test_images.npy").write_bytes(b"half"),
            "test_images.npy is no readable array",
        ),
        (write([{}], "fog/test_images.npy"), "is no readable array .*Python objects"),
        (
            write(np.zeros((6, 28, 28, 3), np.uint8), "fog/test_images.npy"),
            r"holds uint8 \[6, 28, 28, 3\], not uint8 \[6, 28, 28, 1\]",
        ),
        (
            write(np.zeros((6, 28, 28, 1)), "fog/test_images.npy"),
            r"holds float64 \[6, 28, 28, 1\], not uint8",
        ),
        (
            write(np.zeros((5, 28, 28, 1), np.uint8), "fog/test_images.npy"),
            r"holds uint8 \[5, 28, 28, 1\], not uint8 \[6, 28, 28, 1\]",
        ),
        (write(CLASSES * 0.5, "fog/test_labels.npy"), r"test_labels.npy is float64 \[6\]"),
        (write(CLASSES[::-1], "zigzag/test_labels.npy"), "zigzag.*labels are not those of fog"),
    ],
)
def test_what_is_missing_or_damaged_is_named_with_the_way_out(
    spoil: Spoil, problem: str, mnist_c: Official
) -> None:
    spoil(Path(mnist_c.folder))
    with pytest.raises(DataError, match=problem) as refused:
        digest(mnist_c, {"fog": [5]}, torch.arange(2))
    assert "https://zenodo.org/record/3239543" in str(refused.value)


def test_labels_that_differ_between_severities_are_refused(cifar10_c: Official) -> None:
    stored = np.tile(CLASSES, 5)
    stored[8] = 9
    np.save(Path(cifar10_c.folder, "labels.npy"), stored)
    with pytest.raises(DataError, match=r"labels.npy differs from severity to severity"):
        labels(cifar10_c)
