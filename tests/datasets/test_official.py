import hashlib
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from regsearch.datasets._official import data_root, fetch, fetch_archive, scaled
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


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which its files can be fetched."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_archive_is_unpacked_if_it_is_the_official_one(
    tmp_path: Path, served: tuple[Path, str]
) -> None:
    folder, address = served
    (tmp_path / "made/set/train").mkdir(parents=True)
    (tmp_path / "made/set/train/1.txt").write_text("one")
    archive = Path(shutil.make_archive(str(folder / "set"), "zip", tmp_path / "made"))
    md5, root = hashlib.md5(archive.read_bytes()).hexdigest(), tmp_path / "data"
    with pytest.raises(DataError, match="cannot download into"):
        fetch_archive(root, "imdb", f"{address}/set.zip", "0" * 32)
    with pytest.raises(DataError, match=r"cannot download into .*404"):
        fetch_archive(root, "imdb", f"{address}/none.zip", md5)
    assert list(root.iterdir()) == []
    fetch_archive(root, "imdb", f"{address}/set.zip", md5)
    files = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    assert files == ["set/train/1.txt"]
