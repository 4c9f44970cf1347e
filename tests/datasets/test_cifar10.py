"""The files are small and written here in the official layout; their checksums stand in for it."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from regsearch.datasets import cifar10
from regsearch.datasets.cifar10 import Cifar10, load
from regsearch.errors import DataError

NAMES = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]


def write(folder: Path) -> dict[str, str]:
    """Two images a batch, as the official archive holds them; MD5 of each file."""
    folder.mkdir(parents=True)
    rows = np.random.default_rng(0).integers(0, 256, (6, 2, 3 * 32 * 32), dtype=np.uint8)
    contents: dict[str, object] = {
        name: {"data": rows[i], "labels": [i, 9 - i]} for i, name in enumerate(NAMES)
    }
    contents["batches.meta"] = {"label_names": [f"class {c}" for c in range(10)]}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in contents}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sums = write(tmp_path / "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in NAMES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    cifar10._read.cache_clear()
    return tmp_path


def test_images_are_channels_first_in_the_order_of_the_batches(root: Path) -> None:
    data = load(Cifar10(data_root=str(root)))
    rows = np.random.default_rng(0).integers(0, 256, (6, 2, 3 * 32 * 32), dtype=np.uint8)
    images = torch.from_numpy(rows.reshape(12, 3, 32, 32) / 255).float()
    torch.testing.assert_close(data.x_train, images[:10])
    torch.testing.assert_close(data.x_test, images[10:])
    assert data.x_train.is_contiguous()
    assert data.y_train.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert data.y_test.tolist() == [5, 4]


def test_each_channel_is_normalised_by_its_own_constants(root: Path) -> None:
    plain = load(Cifar10(data_root=str(root))).x_test
    normal = load(Cifar10(data_root=str(root), normalize=True)).x_test
    for channel, (mean, deviation) in enumerate(
        [(0.4914, 0.2023), (0.4822, 0.1994), (0.4465, 0.2010)]
    ):
        torch.testing.assert_close(normal[:, channel] * deviation + mean, plain[:, channel])


def test_a_missing_file_is_named_with_the_ways_out(root: Path) -> None:
    (root / "cifar-10-batches-py/data_batch_4").unlink()
    with pytest.raises(DataError, match=r"data_batch_4\. Put .* -o dataset.download=true"):
        load(Cifar10(data_root=str(root)))


def test_a_damaged_file_is_named_and_never_unpickled(root: Path) -> None:
    file = root / "cifar-10-batches-py/test_batch"
    file.write_bytes(b"cos\nsystem\n(S'touch %s'\ntR." % str(root / "canary").encode())
    with pytest.raises(DataError, match="test_batch is unusable"):
        load(Cifar10(data_root=str(root)))
    assert not (root / "canary").exists()
