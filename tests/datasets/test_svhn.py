"""The files are small and written here in the official layout; their checksums stand in for it."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision.datasets import SVHN

from regsearch.datasets import svhn
from regsearch.datasets.svhn import Svhn, fingerprint, load
from regsearch.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
LABELS = np.array(
    [1, 10, 3, 9, 10, 2], dtype=np.uint8
)  # the official files write 10 for the digit 0
ROWS = {"train": slice(0, 4), "test": slice(4, 6)}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    official = {}
    (tmp_path / "SVHN").mkdir()
    for split, rows in ROWS.items():
        file = tmp_path / "SVHN" / f"{split}_32x32.mat"
        images = np.moveaxis(IMAGES[rows], 0, 3)  # height, width, channel, image
        savemat(file, {"X": images, "y": LABELS[rows, None]}, do_compression=True)
        official[split] = ["no address", file.name, hashlib.md5(file.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", official)
    svhn._read.cache_clear()
    return tmp_path


def test_images_are_channels_first_and_labels_are_the_digits(root: Path) -> None:
    data = load(Svhn(data_root=str(root)))
    images = torch.from_numpy(IMAGES / 255).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(data.x_train, images[:4])
    torch.testing.assert_close(data.x_test, images[4:])
    assert data.x_train.is_contiguous()
    assert data.y_train.tolist() == [1, 0, 3, 9]
    assert data.y_test.tolist() == [0, 2]
    assert data.y_train.dtype == torch.int64
    assert data.classes == 10


def test_each_channel_is_normalised_by_its_own_constants(root: Path) -> None:
    plain = load(Svhn(data_root=str(root))).x_test
    normal = load(Svhn(data_root=str(root), normalize=True)).x_test
    for channel, (mean, deviation) in enumerate(
        [(0.4377, 0.1980), (0.4438, 0.2010), (0.4728, 0.1970)]
    ):
        torch.testing.assert_close(normal[:, channel] * deviation + mean, plain[:, channel])


def test_a_missing_file_is_named_with_the_ways_out(root: Path) -> None:
    (root / "SVHN/test_32x32.mat").unlink()
    with pytest.raises(DataError, match=r"SVHN/test_32x32\.mat\. Put .* -o dataset.download=true"):
        load(Svhn(data_root=str(root)))


def test_a_damaged_file_is_named(root: Path) -> None:
    (root / "SVHN/train_32x32.mat").write_bytes(b"MATLAB 5.0 MAT-file, other content")
    with pytest.raises(DataError, match=r"train_32x32\.mat is unusable: its checksum"):
        load(Svhn(data_root=str(root)))


def test_a_download_fills_the_folder_of_the_set(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = root / "SVHN"
    elsewhere = whole.rename(root / "elsewhere")

    def download(self: SVHN) -> None:
        name = SVHN.split_list[self.split][1]
        Path(self.root).mkdir(parents=True, exist_ok=True)
        Path(self.root, name).write_bytes((elsewhere / name).read_bytes())

    monkeypatch.setattr(SVHN, "download", download)
    assert len(load(Svhn(data_root=str(root), download=True)).y_train) == 4
    assert sorted(file.name for file in whole.iterdir()) == ["test_32x32.mat", "train_32x32.mat"]


def test_the_fingerprint_is_of_both_official_files() -> None:
    assert fingerprint(Svhn()) == "".join(SVHN.split_list[s][2][:16] for s in ("train", "test"))
