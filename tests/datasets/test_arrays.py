import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from regsearch.datasets.arrays import ArraysConfig, fingerprint, load
from regsearch.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
GOOD: dict[str, Any] = {
    "x_train": IMAGES,
    "y_train": np.array([0, 1, 2, 0, 1, 2]),
    "x_test": IMAGES[:2],
    "y_test": np.array([2, 0], dtype=np.uint8),
}


def saved(folder: Path, name: str = "data.npz", **changes: Any) -> ArraysConfig:
    arrays = {key: value for key, value in (GOOD | changes).items() if value is not None}
    np.savez(folder / name, **arrays)
    return ArraysConfig(path=str(folder / name))


def test_bytes_with_channels_last_become_fractions_with_channels_first(tmp_path: Path) -> None:
    data = load(saved(tmp_path))
    torch.testing.assert_close(
        data.x_train, torch.from_numpy(IMAGES / 255).permute(0, 3, 1, 2).float()
    )
    assert data.x_train.is_contiguous()
    assert data.y_train.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.y_test.tolist() == [2, 0]
    assert (data.x_train.dtype, data.y_test.dtype) == (torch.float32, torch.int64)
    assert data.classes == 3


def test_channels_first_is_the_same_data(tmp_path: Path) -> None:
    first = np.moveaxis(IMAGES, 3, 1)
    other = load(saved(tmp_path, "first.npz", x_train=first, x_test=first[:2]))
    assert torch.equal(other.x_train, load(saved(tmp_path)).x_train)


def test_grey_images_get_their_channel(tmp_path: Path) -> None:
    data = load(saved(tmp_path, x_train=IMAGES[..., 0], x_test=IMAGES[:2, ..., 0]))
    assert data.x_train.shape == (6, 1, 4, 5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floating_point_features_are_taken_as_they_are(tmp_path: Path, dtype: str) -> None:
    x = np.arange(-6, 6).reshape(6, 2).astype(dtype)
    data = load(saved(tmp_path, x_train=x, x_test=x[:2]))
    assert data.x_train.dtype == torch.float32
    assert data.x_train.tolist() == np.arange(-6, 6).reshape(6, 2).tolist()


def test_the_fingerprint_is_of_the_content_not_of_the_place(tmp_path: Path) -> None:
    config = saved(tmp_path)
    assert fingerprint(config) == fingerprint(saved(tmp_path, "copy.npz", extra=np.ones(3)))
    assert fingerprint(config) == load(config).fingerprint


@pytest.mark.parametrize("key", GOOD)
def test_any_changed_value_changes_the_fingerprint(tmp_path: Path, key: str) -> None:
    changed = GOOD[key].copy()
    changed.flat[0] = 1 if changed.flat[0] != 1 else 2
    other = saved(
        tmp_path,
        "other.npz",
        **{
            key: changed,
            "y_train": np.array([2, 1, 2, 0, 1, 2]) if key == "y_train" else GOOD["y_train"],
        },
    )
    assert fingerprint(other) != fingerprint(saved(tmp_path))


def test_a_rewritten_file_is_read_again(tmp_path: Path) -> None:
    before = fingerprint(saved(tmp_path))
    config = saved(tmp_path, x_test=255 - IMAGES[:2])
    os.utime(config.path, ns=(1, 1))
    assert fingerprint(config) != before
    torch.testing.assert_close(load(config).x_test, 1 - load(config).x_train[:2])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y_test": None}, "needs the keys .* no y_test among x_train, y_train, x_test"),
        ({"y_train": np.arange(1, 7)}, r"y_train: needs the labels 0\.\.C-1.* 3, 4, 5 \.\.\."),
        ({"y_train": np.zeros(6, int)}, "y_train: needs the labels"),
        ({"y_train": np.zeros(6)}, r"y_train: needs one integer .* got float64 \[6\]"),
        ({"y_train": np.arange(5)}, r"y_train: .* shape \[6\]; got int64 \[5\]"),
        ({"y_test": np.array([0, 3])}, r"y_test: needs labels in 0\.\.2 as in y_train, got 3"),
        ({"y_test": np.array([0, -1])}, "y_test: .* got -1"),
        ({"x_train": IMAGES.astype(int)}, "x_train: needs uint8 or floating-point .* got int64"),
        ({"x_test": IMAGES[:2, :3]}, r"x_test: .* uint8 \[4, 5, 3\]; got uint8 \[3, 5, 3\]"),
        ({"x_test": IMAGES[:2] / 255}, "x_test: needs the type"),
        ({"x_test": IMAGES[:0], "y_test": np.zeros(0, int)}, "x_test: needs examples"),
        ({"x_train": np.zeros(6), "x_test": np.zeros(2)}, "x_train: needs examples along"),
        ({"x_train": np.float64(3), "x_test": np.float64(3)}, "x_train: needs examples along"),
        ({"x_train": IMAGES[:, :3], "x_test": IMAGES[:2, :3]}, "cannot tell which axis"),
        ({"x_train": IMAGES[..., :2], "x_test": IMAGES[:2, ..., :2]}, "cannot tell which axis"),
    ],
)  # fmt: skip
def test_every_mistake_names_key_and_rule(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    config = saved(tmp_path, **changes)
    for door in (load, fingerprint):
        with pytest.raises(DataError, match=said) as refused:
            door(config)
        assert config.path in str(refused.value)


def test_values_that_are_not_finite_are_found(tmp_path: Path) -> None:
    x = np.ones((6, 2))
    x[4, 1] = np.inf
    with pytest.raises(DataError, match="x_train: needs finite values; example 4 has others"):
        load(saved(tmp_path, x_train=x, x_test=x[:2]))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        load(saved(tmp_path, x_train=IMAGES.astype(int), y_test=np.zeros(9)))
    assert len(str(refused.value).splitlines()) == 3  # type of x_train, of x_test, shape of y_test


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a readable \.npz file of plain arrays"):
        load(saved(tmp_path, x_train=np.array([{"a": 1}] * 6, dtype=object)))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut short"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "data.npz"
    file.write_bytes(content)
    with pytest.raises(DataError, match="not a readable"):
        load(ArraysConfig(path=str(file)))


def test_a_plain_npy_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES)
    with pytest.raises(DataError, match="not a readable"):
        load(ArraysConfig(path=str(tmp_path / "x.npy")))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    config = saved(tmp_path)
    content = bytearray(Path(config.path).read_bytes())
    content[200] ^= 255
    Path(config.path).write_bytes(content)
    with pytest.raises(DataError, match="not a readable"):
        load(config)


def test_a_missing_file_or_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(DataError, match="no file"):
            fingerprint(ArraysConfig(path=str(path)))
