"""The files are small and written here in the official layout; their checksums stand in for it."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from regsearch.datasets import DATASETS, mnist
from regsearch.datasets.mnist import FashionMnist, Mnist, fingerprint, load
from regsearch.errors import DataError

IMAGES = np.arange(5 * 28 * 28, dtype=np.uint32).reshape(5, 28, 28) % 256
LABELS = np.array([3, 1, 9, 0, 7])


def idx(values: np.ndarray) -> bytes:
    lengths = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, 8, values.ndim]) + lengths + values.astype(np.uint8).tobytes()


FILES = {
    "train-images-idx3-ubyte": idx(IMAGES),
    "train-labels-idx1-ubyte": idx(LABELS),
    "t10k-images-idx3-ubyte": idx(IMAGES[:2]),
    "t10k-labels-idx1-ubyte": idx(LABELS[:2]),
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    for kind, official in mnist.SETS.items():
        monkeypatch.setitem(mnist.SETS, kind, official._replace(checksums=checksums))
    monkeypatch.delenv("REGSEARCH_DATA", raising=False)
    mnist._read.cache_clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in FILES.items():
        (raw / f"{name}.gz").write_bytes(gzip.compress(content))
    return tmp_path


def unpack(root: Path) -> None:
    for packed in (root / "MNIST" / "raw").iterdir():
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()


@pytest.mark.parametrize("unpacked", [False, True])
def test_images_and_labels_are_read_as_written(root: Path, unpacked: bool) -> None:
    if unpacked:
        unpack(root)
    data = load(Mnist(data_root=str(root)))
    assert data.x_train.shape == (5, 1, 28, 28)
    torch.testing.assert_close(data.x_train[:, 0], torch.from_numpy(IMAGES / 255).float())
    assert data.y_train.tolist() == LABELS.tolist()
    assert torch.equal(data.x_test, data.x_train[:2])
    assert data.y_test.tolist() == [3, 1]
    assert (data.x_train.dtype, data.y_train.dtype) == (torch.float32, torch.int64)


def test_torchvision_reads_the_same(root: Path) -> None:
    from torchvision.datasets.mnist import read_image_file, read_label_file

    data = load(Mnist(data_root=str(root)))
    unpack(root)
    raw = root / "MNIST" / "raw"
    theirs = read_image_file(str(raw / "train-images-idx3-ubyte"))
    assert torch.equal((data.x_train[:, 0] * 255).round().byte(), theirs)
    assert torch.equal(data.y_train, read_label_file(str(raw / "train-labels-idx1-ubyte")))


def test_a_read_only_folder_is_enough(root: Path) -> None:
    raw = root / "MNIST" / "raw"
    before = sorted(raw.iterdir())
    raw.chmod(0o555)
    load(Mnist(data_root=str(root)))
    raw.chmod(0o755)
    assert sorted(raw.iterdir()) == before


def test_the_environment_names_the_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGSEARCH_DATA", str(root))
    assert len(load(Mnist()).y_train) == 5


def test_normalised_images_are_standardised_by_the_published_constants(root: Path) -> None:
    plain = load(Mnist(data_root=str(root)))
    normal = load(Mnist(data_root=str(root), normalize=True))
    torch.testing.assert_close(normal.x_train * 0.3081 + 0.1307, plain.x_train)


def test_fashion_lies_in_its_own_folder(root: Path) -> None:
    with pytest.raises(DataError, match="FashionMNIST/raw"):
        load(FashionMnist(data_root=str(root)))
    (root / "MNIST").rename(root / "FashionMNIST")
    assert load(FashionMnist(data_root=str(root))).y_train.tolist() == LABELS.tolist()


def test_a_missing_file_is_named_with_the_ways_out(root: Path) -> None:
    (root / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError) as refused:
        load(Mnist(data_root=str(root)))
    for part in ("t10k-labels-idx1-ubyte.gz", "REGSEARCH_DATA", "-o dataset.download=true"):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(FILES["train-labels-idx1-ubyte"])[:-9],
        gzip.compress(b"other"),
    ],
    ids=["empty", "not packed", "cut short", "other content"],
)
def test_a_damaged_file_is_named(root: Path, content: bytes) -> None:
    file = root / "MNIST/raw/train-labels-idx1-ubyte.gz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz is unusable"):
        load(Mnist(data_root=str(root)))


def test_a_flipped_byte_in_an_unpacked_file_is_found(root: Path) -> None:
    unpack(root)
    file = root / "MNIST/raw/train-images-idx3-ubyte"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match="train-images-idx3-ubyte is unusable: its checksum"):
        load(Mnist(data_root=str(root)))


def test_a_download_is_asked_of_torchvision_only_when_needed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision import datasets

    asked: list[str] = []

    def download(folder: str, download: bool) -> None:
        asked.append(folder)
        raw = Path(folder) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name, content in FILES.items():
            (raw / name).write_bytes(content)
            (raw / f"{name}.gz").write_bytes(gzip.compress(content))

    monkeypatch.setattr(datasets, "MNIST", download)
    load(Mnist(data_root=str(root), download=True))
    assert not asked
    (root / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    mnist._read.cache_clear()
    data = load(Mnist(data_root=str(root), download=True))
    assert len(asked) == 1
    assert data.y_test.tolist() == [3, 1]
    assert sorted(path.name for path in root.iterdir()) == ["MNIST"]


def test_the_fingerprint_is_that_of_the_loaded_data_wherever_it_lies(root: Path) -> None:
    config = Mnist(data_root=str(root))
    assert fingerprint(config) == load(config).fingerprint == fingerprint(Mnist())


needs_real = pytest.mark.skipif(
    not Path(os.environ.get("REGSEARCH_DATA", "none"), "MNIST").is_dir(),
    reason="REGSEARCH_DATA names no folder with the real files",
)
REAL = os.environ.get("REGSEARCH_DATA")


@needs_real
@pytest.mark.parametrize(
    ("kind", "mean", "deviation"), [("mnist", 0.1307, 0.3081), ("fashion_mnist", 0.2860, 0.3530)]
)
def test_real_files(
    kind: str, mean: float, deviation: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the official checksums
    config = DATASETS[kind].config.model_validate({"kind": kind, "data_root": REAL})
    data = DATASETS[kind].load(config)
    assert data.x_train.shape == (60_000, 1, 28, 28)
    assert data.x_test.shape == (10_000, 1, 28, 28)
    assert float(data.x_train.mean()) == pytest.approx(mean, abs=5e-5)
    assert float(data.x_train.double().std()) == pytest.approx(deviation, abs=5e-5)
    assert data.y_train.unique().tolist() == list(range(10))
