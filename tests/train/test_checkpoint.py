from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from regsearch.train.checkpoint import load_latest, save


def state(epoch: int) -> dict[str, object]:
    return {"params": {"w": torch.full((3, 4), float(epoch))}, "step": torch.tensor(epoch)}


def test_the_newest_comes_back(tmp_path: Path) -> None:
    assert load_latest(tmp_path) is None
    for epoch in (1, 2, 10):
        save(tmp_path, epoch, state(epoch))
    loaded = load_latest(tmp_path)
    assert loaded is not None
    assert loaded[0] == 10
    assert torch.equal(loaded[1]["params"]["w"], torch.full((3, 4), 10.0))


def test_old_ones_go_and_at_least_two_stay(tmp_path: Path) -> None:
    for epoch in range(1, 6):
        save(tmp_path, epoch, state(epoch), keep=3)
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == [
        f"epoch-{epoch:08d}.pt" for epoch in (3, 4, 5)
    ]
    with pytest.raises(ValueError, match="at least 2"):
        save(tmp_path, 6, state(6), keep=1)


def damage(path: Path, way: int) -> None:
    content = bytearray(path.read_bytes())
    at = random.randrange(len(content))
    if way == 0:
        content[at] ^= 1 << random.randrange(8)
    elif way == 1:
        del content[at:]
    elif way == 2:
        content[at:] = bytes(len(content) - at) if any(content[at:]) else b"x"
    else:
        content[at:at] = b"\x00"
    path.write_bytes(content)


def test_any_damage_is_found_and_the_one_before_is_used(tmp_path: Path) -> None:
    """torch itself loads most bit flips silently: of 400 it noticed 10."""
    for trial in range(200):
        folder = tmp_path / str(trial)
        save(folder, 1, state(1))
        save(folder, 2, state(2))
        ending = ".json" if trial % 5 == 4 else ".pt"
        damage(folder / f"epoch-00000002{ending}", trial % 4)
        loaded = load_latest(folder)
        assert loaded is not None, trial
        assert loaded[0] == 1, trial
        assert torch.equal(loaded[1]["params"]["w"], torch.full((3, 4), 1.0))
        assert (folder / f"epoch-00000002{ending}.corrupt").exists()


def test_another_checkpoints_file_under_this_name_is_refused(tmp_path: Path) -> None:
    for epoch in (1, 2):
        save(tmp_path, epoch, state(epoch))
    for ending in (".pt", ".json"):
        new = tmp_path / f"epoch-00000002{ending}"
        new.write_bytes((tmp_path / f"epoch-00000001{ending}").read_bytes())
    loaded = load_latest(tmp_path)
    assert loaded is not None
    assert loaded[0] == 1


def test_all_damaged_means_starting_again(tmp_path: Path) -> None:
    save(tmp_path, 1, state(1))
    (tmp_path / "epoch-00000001.pt").unlink()
    assert load_latest(tmp_path) is None
