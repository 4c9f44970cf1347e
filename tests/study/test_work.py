"""A pack in training: bounded steps, checkpoints, and out of memory halves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from regsearch.errors import StorageError
from regsearch.study import work
from regsearch.study.checkpoints import begun
from regsearch.study.pack import Pack
from regsearch.study.work import Outcome, PackWork
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task
from tests.faults import small_disk
from tests.tiny import TINY, load_tiny

EPOCHS = 6


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Eight runs of six epochs."""
    train = {**TINY["train"], "epochs": EPOCHS}
    return Pack(tuple(load_tiny(tmp_path, seeds=4, train=train).expand()), Engine())


def finish(job: PackWork) -> dict[str, Outcome]:
    while not job.done:
        job.advance(60)
    return {outcome.run: outcome for outcome in job.outcomes}


def curves(outcomes: dict[str, Outcome]) -> dict[str, dict[str, bytes]]:
    results = {run: outcome.result for run, outcome in outcomes.items()}
    assert all(results.values())
    return {
        run: {name: curve.tobytes() for name, curve in result.curves.items()}
        for run, result in results.items()
        if result
    }


def uninterrupted(pack: Pack) -> dict[str, dict[str, bytes]]:
    return curves(finish(PackWork(pack, None, 1, 2)))


def only_up_to(monkeypatch: pytest.MonkeyPatch, runs: int) -> list[int]:
    """More than ``runs`` runs together do not fit; gives the sizes that were tried."""
    tried: list[int] = []

    class Training(PackTraining):
        def __init__(self, tasks: Sequence[Task], engine: Engine) -> None:
            tried.append(len(tasks))
            super().__init__(tasks, engine)

        def run_epoch(self) -> dict[str, torch.Tensor]:
            if len(self.tasks) > runs and self.epoch == 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().run_epoch()

    monkeypatch.setattr(work, "PackTraining", Training)
    return tried


def test_a_step_ends_after_the_epoch_in_which_its_time_is_up(pack: Pack) -> None:
    job = PackWork(pack, None, 1, 2)
    told = [job.advance(0) for _ in range(EPOCHS)]
    assert job.done
    assert [progress.epochs for progress in told] == [8] * EPOCHS
    assert all(0 <= progress.metrics["test_accuracy"] <= 1 for progress in told)


def test_every_run_has_its_outcome_in_one_long_step(pack: Pack) -> None:
    job = PackWork(pack, None, 1, 2)
    assert job.advance(600).epochs == 8 * EPOCHS
    assert [outcome.run for outcome in job.outcomes] == [run.run for run in pack.runs]


@pytest.mark.parametrize("epochs", range(1, EPOCHS))
def test_a_pack_goes_on_from_its_last_saved_epoch_bit_for_bit(
    pack: Pack, tmp_path: Path, epochs: int
) -> None:
    first = PackWork(pack, tmp_path, 0, 2)
    for _ in range(epochs):
        first.advance(0)
    second = PackWork(pack, tmp_path, 0, 2)
    assert second.advance(600).epochs == 8 * (EPOCHS - epochs)
    assert curves(finish(second)) == uninterrupted(pack)


def flip_a_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [flip_a_bit, lambda data: data[:-9], lambda data: b""])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    pack: Pack, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    first = PackWork(pack, tmp_path, 0, 2)
    for _ in range(3):
        first.advance(0)
    newest = tmp_path / pack.name / "epoch-00000003.pt"
    newest.write_bytes(damage(newest.read_bytes()))
    second = PackWork(pack, tmp_path, 0, 2)
    assert second.advance(600).epochs == 8 * (EPOCHS - 2), "epoch 3 is trained again"
    assert curves(finish(second)) == uninterrupted(pack)


def test_nothing_is_saved_before_its_time_but_on_demand(pack: Pack, tmp_path: Path) -> None:
    job = PackWork(pack, tmp_path / "saves", 3600, 2)
    job.save()
    job.advance(0)
    assert begun(tmp_path / "saves") == []
    job.save()
    assert begun(tmp_path / "saves") == [[run.run for run in pack.runs]]


def test_out_of_memory_halves_the_pack_until_it_fits(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = finish(PackWork(pack, None, 1, 2))
    tried = only_up_to(monkeypatch, 2)
    outcomes = finish(PackWork(pack, None, 1, 2))
    assert tried == [8, 4, 2, 2, 4, 2, 2]
    assert list(outcomes) == [run.run for run in pack.runs]
    for run, outcome in outcomes.items():
        assert outcome.runs_together == 2
        result, whole = outcome.result, expected[run].result
        assert result
        assert whole
        for name, curve in result.curves.items():
            torch.testing.assert_close(torch.tensor(curve), torch.tensor(whole.curves[name]))


def test_halves_resume_as_halves_and_leave_no_checkpoint_of_the_whole(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_up_to(monkeypatch, 4)
    first = PackWork(pack, tmp_path, 0, 2)
    while not first.outcomes:
        first.advance(0)
    first.advance(0)  # the second half has begun
    names = [run.run for run in pack.runs]
    assert begun(tmp_path) == [names[4:], names[:4]] or begun(tmp_path) == [names[:4], names[4:]]
    second = PackWork(pack.part(pack.runs[4:]), tmp_path, 0, 2)
    assert second.advance(600).epochs == 4 * (EPOCHS - 1)


def test_a_single_run_that_does_not_fit_fails_and_the_others_go_on(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = pack.runs[3].task

    class Training(PackTraining):
        def run_epoch(self) -> dict[str, torch.Tensor]:
            if large in self.tasks:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().run_epoch()

    monkeypatch.setattr(work, "PackTraining", Training)
    outcomes = finish(PackWork(pack, None, 1, 2))
    failed = {run: o.failure for run, o in outcomes.items() if o.failure}
    assert list(failed) == [pack.runs[3].run]
    assert "out of memory with a single run" in str(failed[pack.runs[3].run])
    assert sum(outcome.result is not None for outcome in outcomes.values()) == 7


def test_another_error_is_not_taken_for_a_lack_of_memory(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Training(PackTraining):
        def run_epoch(self) -> dict[str, torch.Tensor]:
            raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(work, "PackTraining", Training)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        PackWork(pack, None, 1, 2).advance(1)


def test_a_full_disk_is_told_as_such(pack: Pack, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "8k") as folder:
        job = PackWork(pack, folder, 0, 2)
        with pytest.raises(StorageError, match="the disk is full"):
            job.advance(0)


def test_an_epoch_that_an_error_cut_short_is_not_saved(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """State is changed in place: half an epoch, taken for a whole one, gives wrong numbers."""
    whole, advance = uninterrupted(pack), PackTraining._advance
    steps_of_fourth_epoch = iter(range(10))

    def stumble(training: PackTraining, *batch: torch.Tensor) -> None:
        advance(training, *batch)
        if training.epoch == 3 and next(steps_of_fourth_epoch) == 0:
            raise RuntimeError("the machine stumbles")

    job = PackWork(pack, tmp_path, 0.0, 2)
    with monkeypatch.context() as broken:
        broken.setattr(PackTraining, "_advance", stumble)
        with pytest.raises(RuntimeError, match="stumbles"):
            job.advance(60)
    job.save()  # as an actor does when it is stopped
    monkeypatch.undo()
    assert curves(finish(PackWork(pack, tmp_path, 60, 2))) == whole


def reports(job: PackWork) -> list[int]:
    """Train to the end, a report after each epoch; gives the epochs. All runs are of the same."""
    epochs = []
    while not job.done:
        job.advance(0)
        [epoch] = {outcome.result.epochs for outcome in job.so_far() if outcome.result}
        epochs.append(epoch)
    return epochs


def is_near(found: dict[str, dict[str, bytes]], expected: dict[str, dict[str, bytes]]) -> bool:
    """Another pack gives the same numbers to rounding."""
    assert found.keys() == expected.keys()
    return all(
        np.allclose(as_numbers(curve), as_numbers(expected[run][name]), rtol=1e-4, atol=1e-5)
        for run, of_run in found.items()
        for name, curve in of_run.items()
    )


def as_numbers(curve: bytes) -> np.ndarray:
    return np.frombuffer(curve, np.float32)


def test_halves_of_what_a_scheduler_judges_are_trained_an_epoch_each_in_turn(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No epoch is told twice, though the halves begin anew when memory is out in the third."""
    expected = uninterrupted(pack)
    tried = only_up_to(monkeypatch, 2)
    job = PackWork(pack, None, 1, 2, whole=True)
    assert reports(job) == [1, 2, 3, 4, 5, 6]
    assert tried == [8, 4, 4, 2, 2, 2, 2]
    assert [outcome.run for outcome in job.so_far()] == [run.run for run in pack.runs]
    assert is_near(curves(finish(job)), expected)


def test_halves_that_were_saved_at_different_epochs_are_level_again_when_they_report(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = uninterrupted(pack)
    only_up_to(monkeypatch, 4)
    first = PackWork(pack, tmp_path, 0, 2, whole=True)
    for _ in range(4):
        first.advance(0)
    behind = tmp_path / pack.part(pack.runs[:4]).name / "epoch-00000004.json"
    behind.unlink()  # killed between one save and the other
    second = PackWork(pack, tmp_path, 0, 2, whole=True)
    assert reports(second) == [5, 6]
    assert is_near(curves(finish(second)), expected)


def test_a_run_of_a_cell_that_does_not_fit_even_alone_is_an_error_of_the_cell(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = only_up_to(monkeypatch, 0)
    job = PackWork(pack, None, 1, 2, whole=True)
    with pytest.raises(MemoryError, match="out of memory with a single run: choose a smaller"):
        reports(job)
    assert tried[:4] == [8, 4, 4, 2]


def test_a_run_that_diverges_in_one_half_is_told_within_the_epoch(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_up_to(monkeypatch, 4)
    real = PackTraining.run_epoch

    def run_epoch(training: PackTraining) -> dict[str, torch.Tensor]:
        if training.epoch == 3 and training.tasks[0] == pack.runs[0].task:
            for weight in training.state.params.values():
                weight.fill_(torch.nan)
        return real(training)

    monkeypatch.setattr(PackTraining, "run_epoch", run_epoch)
    job = PackWork(pack, None, 1, 2, whole=True)
    while not any(o.result.status == "diverged" for o in job.so_far() if o.result):
        job.advance(0)
    ends = [(o.result.status, o.result.epochs) for o in job.so_far() if o.result]
    assert ends == [("diverged", 4)] * 4 + [("stopped", 4)] * 4
