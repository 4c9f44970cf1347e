"""The files are small and written here in the official layout; their checksums stand in for it."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from regsearch.datasets import cifar
from regsearch.datasets.cifar import Cifar10, Cifar100, load
from regsearch.datasets.cifar import fingerprint as load_fingerprint
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
    cifar._read.cache_clear()
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


def test_a_hundred_classes_are_the_fine_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    rows = np.random.default_rng(1).integers(0, 256, (3, 3 * 32 * 32), dtype=np.uint8)
    batch = {"data": rows, "fine_labels": [99, 0, 47], "coarse_labels": [13, 4, 17]}
    contents: dict[str, object] = {"train": batch, "test": batch, "meta": {"fine_label_names": []}}
    sums = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    meta = {"filename": "meta", "key": "fine_label_names", "md5": sums["meta"]}
    monkeypatch.setattr(CIFAR100, "meta", meta)
    cifar._read.cache_clear()
    data = load(Cifar100(data_root=str(tmp_path)))
    images = torch.from_numpy(rows.reshape(3, 3, 32, 32) / 255).float()
    torch.testing.assert_close(data.x_train, images)
    assert data.y_train.tolist() == [99, 0, 47]
    assert data.classes == 100
    assert data.fingerprint != load_fingerprint(Cifar10())
    (folder / "test").unlink()
    cifar._read.cache_clear()
    with pytest.raises(DataError, match=r"cifar100: no file .*cifar-100-python/test\. Put"):
        load(Cifar100(data_root=str(tmp_path)))


def test_each_set_is_known_by_its_archive() -> None:
    assert load_fingerprint(Cifar10()) == CIFAR10.tgz_md5
    assert load_fingerprint(Cifar100()) == CIFAR100.tgz_md5


NAMES_10 = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
ALIKE = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "household furniture": "bed chair couch table wardrobe",
    "people": "baby boy girl man woman",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
}
PLACES = {  # of these names in the alphabet of all hundred
    "beaver": 4, "dolphin": 30, "otter": 55, "seal": 72, "whale": 95, "bed": 5, "chair": 20,
    "couch": 25, "table": 84, "wardrobe": 94, "baby": 2, "boy": 11, "girl": 35, "man": 46,
    "woman": 98, "lawn_mower": 41, "rocket": 69, "streetcar": 81, "tank": 85, "tractor": 89,
    "apple": 0, "mushroom": 51, "orange": 53, "pear": 57, "sweet_pepper": 83,
}  # fmt: skip


def test_things_are_mistaken_as_published() -> None:
    named = {NAMES_10[c]: NAMES_10[d] for c, d in Cifar10.confusions.items()}
    assert named == {
        "truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"
    }  # fmt: skip


def test_each_of_a_hundred_classes_is_mistaken_for_the_next_of_its_five() -> None:
    confusions = Cifar100.confusions
    assert sorted(confusions) == sorted(confusions.values()) == list(range(100))
    for names in ALIKE.values():
        group = [PLACES[name] for name in names.split()]
        assert [confusions[c] for c in group] == [*group[1:], group[0]]
    for c in range(100):
        here = c
        for _ in range(5):
            assert confusions[here] != here
            here = confusions[here]
        assert here == c
