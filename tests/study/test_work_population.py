"""A member of a population that goes on from what another has handed over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from regsearch.study.pack import Pack
from regsearch.study.work import PackWork
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining, RunResult
from tests.tiny import TINY, load_tiny

DECAY = "weight_decay.decay"
SPACE = {"regularizers": [{"kind": "weight_decay", "decay": [0.01, 0.5]}]}


@pytest.fixture
def members(tmp_path: Path) -> list[Pack]:
    """Two members of two seeds each."""
    runs = load_tiny(
        tmp_path,
        search_space=SPACE,
        train={**TINY["train"], "epochs": 5},
        scheduler={"type": "pbt", "perturbation_interval": 2},
    ).expand()
    by_decay = [[r for r in runs if r.task.regularizers[0].decay == d] for d in (0.01, 0.5)]  # type: ignore[attr-defined]
    return [Pack(tuple(each), Engine()) for each in by_decay]


def work(pack: Pack, folder: Path) -> PackWork:
    return PackWork(pack, folder / "checkpoints", 3600, 2, whole=True)


def results(job: PackWork) -> list[RunResult]:
    while not job.done:
        job.advance(0)
    return [outcome.result for outcome in job.outcomes if outcome.result]


def copied(members: list[Pack], folder: Path) -> PackWork:
    """The second member, saved after three epochs; then a copy of the first, after two."""
    donor, other = (work(pack, folder) for pack in members)
    for _ in range(2):
        donor.advance(0)
    donor.hand_over(folder / "handed")
    for _ in range(3):
        other.advance(0)
    other.save()
    other.take_over(folder / "handed", {DECAY: 0.25})
    return other


def test_a_copy_is_the_run_whose_file_says_what_changed_when(
    members: list[Pack], tmp_path: Path
) -> None:
    found = results(copied(members, tmp_path))
    course = [{"epoch": 1, "values": {DECAY: 0.01}}, {"epoch": 3, "values": {DECAY: 0.25}}]
    train = {**TINY["train"], "epochs": 5, "course": course}
    alone = load_tiny(tmp_path, search_space=SPACE, train=train).expand()[:2]
    expected = results(PackWork(Pack(tuple(alone), Engine()), None, 1, 2))
    for one, other in zip(found, expected, strict=True):
        assert one.curves.keys() == other.curves.keys()
        for name, curve in one.curves.items():
            np.testing.assert_array_equal(curve, other.curves[name])


def test_a_copy_that_is_killed_before_its_next_epoch_is_still_a_copy(
    members: list[Pack], tmp_path: Path
) -> None:
    expected = results(copied(members, tmp_path / "whole"))
    copied(members, tmp_path / "killed")
    found = results(work(members[1], tmp_path / "killed"))
    for one, other in zip(found, expected, strict=True):
        for name, curve in one.curves.items():
            np.testing.assert_array_equal(curve, other.curves[name])
    assert found[0].curves[f"course.{DECAY}"].tolist() == [np.float32(0.01)] * 2 + [0.25] * 3


def test_what_was_handed_over_and_is_damaged_is_not_taken(
    members: list[Pack], tmp_path: Path
) -> None:
    donor, other = (work(pack, tmp_path) for pack in members)
    donor.advance(0)
    donor.hand_over(tmp_path / "handed")
    [data] = (tmp_path / "handed").glob("*.pt")
    data.write_bytes(data.read_bytes()[:-7])
    other.advance(0)
    other.save()
    other.take_over(tmp_path / "handed", {DECAY: 0.25})
    assert results(other)[0].curves[f"course.{DECAY}"].tolist() == [0.5] * 5
    assert list((tmp_path / "checkpoints").glob(f"{members[1].name}/epoch-*.pt"))


def test_a_member_that_does_not_fit_is_not_halved(
    members: list[Pack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_epoch(training: PackTraining) -> None:
        raise MemoryError

    monkeypatch.setattr(PackTraining, "run_epoch", run_epoch)
    with pytest.raises(MemoryError, match="a member of a population cannot be halved"):
        work(members[0], tmp_path).advance(0)
