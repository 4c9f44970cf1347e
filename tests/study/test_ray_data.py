"""Data of the driver for nodes without the files: read here if the same, else sent, and once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from regsearch.datasets import DATASETS, DatasetConfig
from regsearch.datasets.arrays import ArraysConfig
from regsearch.errors import DataError
from regsearch.study import ray_data, ray_nodes
from regsearch.study.ray_data import Shelf, from_driver

ARRAYS = DATASETS["arrays"]


def write(file: Path, value: float) -> ArraysConfig:
    x, y = np.full((4, 2), value, np.float32), np.array([0, 1, 0, 1])
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    return ArraysConfig(path=str(file))


class Remote:
    """What a handle of the shelf's actor does, in this process; notes what is asked."""

    def __init__(self, files: dict[str, ArraysConfig]) -> None:
        self._shelf, self._files = Shelf(), files
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def remote(config: DatasetConfig) -> Any:
            self.asked.append(name)
            assert isinstance(config, ArraysConfig)
            return getattr(self._shelf, name)(self._files.get(config.path, config))

        return type("Method", (), {"remote": staticmethod(remote)})


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_data.ray, "get", lambda held: held)
    monkeypatch.setattr(ray_data.ray, "put", lambda held: held)


def test_files_that_are_not_here_are_sent_once(tmp_path: Path) -> None:
    there, here = write(tmp_path / "there.npz", 1.0), ArraysConfig(path=str(tmp_path / "none.npz"))
    shelf = Remote({here.path: there})
    data = from_driver(ARRAYS, shelf)
    for _ in range(3):
        noisy = here.model_copy(update={"label_noise": 0.5})  # differs within a pack
        assert torch.equal(data.load(noisy).x_train, torch.ones(4, 2))
        assert data.fingerprint(here) == ARRAYS.fingerprint(there)
    assert shelf.asked == ["fingerprint", "data"]


def test_other_files_of_that_name_are_not_used(tmp_path: Path) -> None:
    there, here = write(tmp_path / "there.npz", 1.0), write(tmp_path / "here.npz", 2.0)
    data = from_driver(ARRAYS, Remote({here.path: there}))
    assert torch.equal(data.load(here).x_train, torch.ones(4, 2))


def test_the_same_files_are_not_sent(tmp_path: Path) -> None:
    here = write(tmp_path / "here.npz", 2.0)
    shelf = Remote({})
    assert torch.equal(from_driver(ARRAYS, shelf).load(here).x_train, torch.full((4, 2), 2.0))
    assert shelf.asked == ["fingerprint"]


def test_what_nobody_has_is_said(tmp_path: Path) -> None:
    missing = ArraysConfig(path=str(tmp_path / "none.npz"))
    with pytest.raises(DataError, match=r"no file .*none\.npz"):
        from_driver(ARRAYS, Remote({})).load(missing)


def test_a_folder_that_a_node_does_not_see_is_named(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    assert ray_nodes.problem_here(str(tmp_path / "mark")) is None
    assert "does not see it" in str(ray_nodes.problem_here(str(tmp_path / "elsewhere" / "mark")))
