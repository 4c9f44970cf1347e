"""Training in this process: order, retries, stops, and faults that are nobody's runs'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from regsearch.errors import ExitCode, StorageError
from regsearch.study import executors, work
from regsearch.study.checkpoints import begun
from regsearch.study.executors import (
    Advanced,
    Begun,
    CheckpointPolicy,
    Event,
    Failed,
    Finished,
    InProcessExecutor,
    Waiting,
    describe,
)
from regsearch.study.feed import Packs
from regsearch.study.pack import Pack
from regsearch.study.place import here
from regsearch.study.stop import StopSwitch
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from tests.tiny import load_tiny


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Pack]:
    """Three packs of two runs of two epochs, each of which is reported."""
    monkeypatch.setattr(executors, "REPORT_EVERY_S", 0.0)
    runs = load_tiny(tmp_path, seeds=3).expand()
    return [Pack(tuple(runs[at : at + 2]), Engine()) for at in (0, 2, 4)]


@pytest.fixture
def saves(tmp_path: Path) -> CheckpointPolicy:
    return CheckpointPolicy(tmp_path / "checkpoints", 3600, 2)


def failing(monkeypatch: pytest.MonkeyPatch, pack: Pack, times: int, error: Exception) -> list[int]:
    """Raise ``error`` in epoch 2 of ``pack``, ``times`` times; gives the epochs it was begun at."""
    begun_at: list[int] = []

    class Training(PackTraining):
        def load_state_dict(self, saved: dict[str, Any]) -> None:
            super().load_state_dict(saved)
            begun_at.append(self.epoch)

        def run_epoch(self) -> dict[str, torch.Tensor]:
            nonlocal times
            ours = self.tasks == [run.task for run in pack.runs]
            if ours and self.epoch == 1 and times > 0:
                times -= 1
                raise error
            return super().run_epoch()

    monkeypatch.setattr(work, "PackTraining", Training)
    return begun_at


def test_packs_are_trained_in_order_and_all_is_told(
    packs: list[Pack], saves: CheckpointPolicy
) -> None:
    told: list[Event] = []
    InProcessExecutor(saves).run(Packs(packs), told.append, StopSwitch())
    expected = [kind for _ in packs for kind in (Begun, Advanced, Advanced, Finished)]
    assert [type(event) for event in told] == expected
    named = [event.pack for event in told if not isinstance(event, Waiting)]
    assert named == [pack for pack in packs for _ in range(4)]
    epochs = [event.progress.epoch for event in told if isinstance(event, Advanced)]
    assert epochs == [1, 2] * len(packs)
    assert told[0] == Begun(packs[0], here("cpu"))


def test_a_pack_that_fails_once_goes_on_from_its_checkpoint(
    packs: list[Pack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun_at = failing(monkeypatch, packs[1], 1, RuntimeError("a moment of weakness"))
    told: list[Event] = []
    policy = CheckpointPolicy(tmp_path / "checkpoints", 1e-9, 2)
    InProcessExecutor(policy, max_failures=1).run(Packs(packs), told.append, StopSwitch())
    assert [event.pack for event in told if isinstance(event, Finished)] == packs
    assert begun_at == [1]


def test_a_pack_that_keeps_failing_says_why_and_the_others_go_on(
    packs: list[Pack], saves: CheckpointPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, packs[1], 3, RuntimeError("mat1 and mat2 do not fit\nat some place"))
    told: list[Event] = []
    InProcessExecutor(saves, max_failures=2).run(Packs(packs), told.append, StopSwitch())
    assert [e.pack for e in told if isinstance(e, Finished)] == [packs[0], packs[2]]
    [failed] = [event for event in told if isinstance(event, Failed)]
    assert failed == Failed(packs[1], "RuntimeError: mat1 and mat2 do not fit")


def test_a_stop_saves_what_is_unfinished(packs: list[Pack], saves: CheckpointPolicy) -> None:
    told: list[Event] = []
    switch = StopSwitch()

    def tell(event: Event) -> None:
        told.append(event)
        if isinstance(event, Advanced) and event.pack is packs[1]:
            switch.pull(ExitCode.INTERRUPTED)

    InProcessExecutor(saves).run(Packs(packs), tell, switch)
    assert [event.pack for event in told if isinstance(event, Finished)] == [packs[0]]
    assert begun(saves.folder) == [[run.run for run in packs[1].runs]]


def test_an_exception_of_the_listener_stops_everything(
    packs: list[Pack], saves: CheckpointPolicy
) -> None:
    def tell(event: Event) -> None:
        raise StorageError("no room")

    with pytest.raises(StorageError, match="no room"):
        InProcessExecutor(saves).run(Packs(packs), tell, StopSwitch())


def test_a_full_disk_is_no_failure_of_a_run(
    packs: list[Pack], saves: CheckpointPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, packs[0], 1, StorageError("the disk is full"))
    told: list[Event] = []
    with pytest.raises(StorageError, match="full"):
        InProcessExecutor(saves, max_failures=2).run(Packs(packs), told.append, StopSwitch())
    assert not any(isinstance(event, Failed) for event in told)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (KeyError(), "KeyError: no message"),
        (RuntimeError("\n  first\nsecond"), "RuntimeError: first"),
    ],
)
def test_an_error_is_told_in_one_line(error: Exception, told: str) -> None:
    assert describe(error) == told
