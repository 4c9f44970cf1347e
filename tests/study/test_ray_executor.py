"""Packs on a real Ray: the numbers of this process, workers that are used again, and that die."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from regsearch.errors import ExitCode, RegsearchError, ServiceError, StorageError
from regsearch.study import lock
from regsearch.study.checkpoints import begun
from regsearch.study.executors import (
    Advanced,
    CheckpointPolicy,
    Event,
    Failed,
    Finished,
    InProcessExecutor,
)
from regsearch.study.pack import Pack
from regsearch.study.ray_session import FOLDERS, RaySession, Resources, knock, sweep_folders
from regsearch.study.stop import StopSwitch
from regsearch.train.engine import Engine
from tests.tiny import TINY, load_tiny


@pytest.fixture(scope="module")
def session() -> Iterator[RaySession]:
    running = RaySession(None, gpus_wanted=False)
    running.start()
    yield running
    running.close()
    assert not running.folder.exists()


Train = Callable[..., list[Event]]


@pytest.fixture
def train(session: RaySession, tmp_path: Path) -> Train:
    """Train packs on Ray; gives the events."""
    from regsearch.study.ray_executor import RayExecutor

    def train(
        packs: list[Pack],
        hear: Callable[[Event], None] = lambda event: None,
        switch: StopSwitch | None = None,
        max_failures: int = 0,
        every_s: float = 1e-3,
    ) -> list[Event]:
        told: list[Event] = []

        def tell(event: Event) -> None:
            told.append(event)
            hear(event)

        saves = CheckpointPolicy(tmp_path / "checkpoints", every_s, 2)
        executor = RayExecutor(session, Resources(1, 0), saves, max_failures)
        executor.run(packs, tell, switch or StopSwitch())
        return told

    return train


def make_packs(folder: Path, packs: int, epochs: int = 2) -> list[Pack]:
    runs = load_tiny(folder, seeds=packs, train={**TINY["train"], "epochs": epochs}).expand()
    return [Pack(tuple(runs[2 * n : 2 * n + 2]), Engine()) for n in range(packs)]


def workers() -> list[psutil.Process]:
    """Processes in which Ray trains packs for us."""
    ours = psutil.Process().children(recursive=True)
    return [process for process in ours if "PackTrainable" in title(process)]


def title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def curves(events: list[Event]) -> dict[str, dict[str, np.ndarray]]:
    outcomes = [o for event in events if isinstance(event, Finished) for o in event.outcomes]
    return {outcome.run: outcome.result.curves for outcome in outcomes if outcome.result}


@pytest.mark.ray
def test_ray_gives_the_numbers_of_this_process_and_uses_its_workers_again(
    tmp_path: Path, train: Train
) -> None:
    packs = make_packs(tmp_path, 6)
    seen: set[int] = set()
    told = train(packs, lambda event: seen.update(worker.pid for worker in workers()))
    here: list[Event] = []
    InProcessExecutor(CheckpointPolicy(tmp_path / "here", 3600, 2)).run(
        packs, here.append, StopSwitch()
    )
    on_ray, expected = curves(told), curves(here)
    assert on_ray.keys() == expected.keys() == {run.run for pack in packs for run in pack.runs}
    for run, measured in expected.items():
        for name, curve in measured.items():
            np.testing.assert_array_equal(on_ray[run][name], curve)
    assert 1 <= len(seen) <= 2, "six packs need no more processes than there are CPUs"


@pytest.mark.slow
@pytest.mark.ray
def test_a_worker_that_dies_is_replaced_and_goes_on_from_the_checkpoint(
    tmp_path: Path, train: Train
) -> None:
    [pack] = make_packs(tmp_path, 1, epochs=300)
    epochs = 0

    def hear(event: Event) -> None:
        nonlocal epochs
        if isinstance(event, Advanced):
            epochs += event.progress.epochs
            if not killed:
                killed.extend(workers())
                assert killed
                for worker in killed:
                    worker.kill()

    killed: list[psutil.Process] = []
    told = train([pack], hear, max_failures=1)
    assert [event.pack for event in told if isinstance(event, Finished)] == [pack]
    assert {len(curve) for run in curves(told).values() for curve in run.values()} == {300}
    assert 0 < epochs <= 2 * 300, "what was reported was saved, and is not trained again"


@pytest.mark.ray
def test_a_worker_that_keeps_dying_fails_its_pack_with_a_readable_reason(
    tmp_path: Path, train: Train
) -> None:
    def hear(event: Event) -> None:
        for worker in workers():
            worker.kill()

    told = train(make_packs(tmp_path, 1, epochs=100_000), hear, max_failures=1)
    assert isinstance(told[-1], Failed)
    assert "the worker process was killed, ran out of memory or crashed" in told[-1].reason
    assert len(told[-1].reason) < 250
    assert sum(isinstance(event, Advanced) for event in told) == 2, "one attempt and one retry"


@pytest.mark.ray
def test_an_error_in_a_worker_is_told_as_it_would_be_here(tmp_path: Path, train: Train) -> None:
    data = tmp_path / "mine.npz"
    x, y = np.zeros((64, 4), np.float32), np.arange(64) % 2
    np.savez(data, x_train=x, y_train=y, x_test=x, y_test=y)
    runs = load_tiny(tmp_path, dataset={"kind": "arrays", "path": str(data)}).expand()
    data.unlink()
    [failed] = train([Pack(tuple(runs), Engine())])
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("DataError: arrays: no file")


@pytest.mark.slow
@pytest.mark.ray
def test_a_stop_saves_every_pack_in_training(tmp_path: Path, train: Train) -> None:
    switch, begun_packs = StopSwitch(), set()

    def hear(event: Event) -> None:
        begun_packs.add(event.pack.name)
        if len(begun_packs) == 2:
            switch.pull(ExitCode.INTERRUPTED)

    packs = make_packs(tmp_path, 3, epochs=1_000_000)
    train(packs, hear, switch, every_s=3600)
    saved = {frozenset(names) for names in begun(tmp_path / "checkpoints")}
    assert saved == {
        frozenset(run.run for run in pack.runs) for pack in packs if pack.name in begun_packs
    }


@pytest.mark.slow
@pytest.mark.ray
def test_an_exception_of_the_listener_stops_everything(tmp_path: Path, train: Train) -> None:
    def hear(event: Event) -> None:
        raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="the disk is full"):
        train(make_packs(tmp_path, 2, epochs=1_000_000), hear)


@pytest.mark.ray
def test_more_than_there_is_cannot_be_asked_for(session: RaySession, tmp_path: Path) -> None:
    from regsearch.study.ray_executor import RayExecutor

    saves = CheckpointPolicy(tmp_path, 1, 2)
    for wanted in (Resources(5000, 0), Resources(1, 1)):
        with pytest.raises(RegsearchError, match=r"asks for .* but there are \d+ CPUs and 0 GPUs"):
            _ = RayExecutor(session, wanted, saves, 0).workers
    assert RayExecutor(session, Resources(1, 0), saves, 0).workers >= 1


def test_nobody_at_the_address_is_told_at_once() -> None:
    session = RaySession("127.0.0.1:1", gpus_wanted=False)
    session.start()
    with pytest.raises(ServiceError, match=r"Ray on 127\.0\.0\.1:1 cannot be reached.*refused"):
        session.wait()
    session.close()
    assert not session.folder.exists()


@pytest.mark.parametrize("address", ["auto", "ray://cluster", "local"])
def test_an_address_without_a_port_is_left_to_ray(address: str) -> None:
    knock(address)


def test_folders_of_dead_drivers_are_swept_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = (f"{FOLDERS}dead", f"{FOLDERS}late-log", f"{FOLDERS}live", "ray-of-others")
    dead, late, live, foreign = (tmp_path / name for name in names)
    for folder in (dead, late, live, foreign):
        (folder / "session").mkdir(parents=True)
    (dead / lock.NAME).write_text("{}")
    with lock.hold(live):
        sweep_folders()
        assert sorted(tmp_path.iterdir()) == sorted([foreign, live])
    sweep_folders()
    assert list(tmp_path.iterdir()) == [foreign]
