from pathlib import Path

import pytest
import torch

from regsearch.datasets import Data
from regsearch.datasets._official import data_root, fetch, scaled, subset
from regsearch.datasets.mnist import Mnist
from regsearch.errors import DataError
from regsearch.space import place_fields


def test_the_file_names_the_folder_before_the_environment_before_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REGSEARCH_DATA", "/of/the/environment")
    assert data_root(Mnist(data_root="/of/the/file")) == Path("/of/the/file")
    assert data_root(Mnist()) == Path("/of/the/environment")
    monkeypatch.setenv("REGSEARCH_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root(Mnist()) == tmp_path / "regsearch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root(Mnist()) == tmp_path / ".cache" / "regsearch"


def test_where_data_lie_and_how_they_came_is_no_part_of_a_runs_identity() -> None:
    assert place_fields(Mnist) == ["data_root", "download"]


def test_a_failed_download_leaves_nothing_behind(tmp_path: Path) -> None:
    def cut_off(folder: str) -> None:
        Path(folder, "half").write_bytes(b"a file's first hal")
        raise ConnectionResetError("connection reset by peer")

    with pytest.raises(DataError, match=r"cannot download into .*: connection reset by peer"):
        fetch(tmp_path / "data", "mnist", cut_off)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot download into"):
        fetch(tmp_path / "file" / "data", "mnist", lambda folder: None)


def test_bytes_become_fractions() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    torch.testing.assert_close(scaled(pixels, None).ravel(), torch.tensor([0, 0.2, 1]))


def numbered(count: int) -> Data:
    x, y = torch.arange(count).view(-1, 1), torch.arange(count)
    return Data(x, y, x + 100, y + 100, count, "numbered")


def test_a_subset_keeps_images_with_their_labels_and_holds_the_smaller_ones() -> None:
    small, large = (subset(numbered(50), Mnist(train_size=n, test_size=3)) for n in (10, 20))
    assert torch.equal(small.x_train.ravel(), small.y_train)
    assert torch.equal(small.y_train, large.y_train[:10])
    assert len(set(large.y_train.tolist())) == 20
    assert small.x_test.ravel().tolist() == small.y_test.tolist()
    assert len(small.y_test) == 3
    assert small.y_test.min() >= 100


def test_without_sizes_nothing_is_left_out() -> None:
    whole = numbered(5)
    assert torch.equal(subset(whole, Mnist()).x_train, whole.x_train)


def test_a_subset_cannot_be_larger_than_the_set() -> None:
    with pytest.raises(DataError, match="mnist: train_size 6 is more than the 5 examples"):
        subset(numbered(5), Mnist(train_size=6))
