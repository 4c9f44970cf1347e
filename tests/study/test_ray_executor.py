"""Packs on a real Ray: the numbers of this process, workers that are used again, and that die."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from regsearch.errors import ExitCode, RegsearchError, ServiceError, StorageError
from regsearch.study import lock
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
)
from regsearch.study.feed import Packs
from regsearch.study.judging import Judging
from regsearch.study.pack import Pack
from regsearch.study.ray_session import FOLDERS, RaySession, Resources, knock, sweep_folders
from regsearch.study.schedulers import SCHEDULERS
from regsearch.study.settings import Metric
from regsearch.study.stop import StopSwitch
from regsearch.study.trials import PlannedRun
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
        **how: Any,
    ) -> list[Event]:
        told: list[Event] = []

        def tell(event: Event) -> None:
            if not isinstance(event, Begun | Waiting):  # test_placement and test_waiting are theirs
                told.append(event)
                hear(event)

        saves = CheckpointPolicy(tmp_path / "checkpoints", every_s, 2)
        executor = RayExecutor(session, Resources(1, 0), saves, max_failures, **how)
        executor.run(Packs(packs), tell, switch or StopSwitch())
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
        Packs(packs), here.append, StopSwitch()
    )
    places = [event.place for event in told if isinstance(event, Advanced) and event.place]
    assert len(places) == len(packs), "the first report of each says where"
    assert {place.process for place in places} <= seen
    assert {(place.cpus, place.gpus, place.gpu_ids) for place in places} == {(1.0, 0.0, ())}
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


def judging(kind: str, epochs: int, before: tuple[tuple[float, ...], ...] = ()) -> Judging:
    config = SCHEDULERS[kind].config.model_validate({"type": kind, "reduction_factor": 2})
    return Judging(config, Metric(name="test_accuracy", goal="maximize"), epochs, before)


def cells(folder: Path, decays: list[float], epochs: int, **changes: Any) -> list[Pack]:
    """A pack of two seeds for each decay; decays above 1 leave nothing to learn with."""
    pipeline = load_tiny(
        folder,
        search_space={"regularizers": [{"kind": "weight_decay", "decay": decays}]},
        dataset={"kind": "digits", "train_size": 400},
        model={"kind": "mlp", "widths": [32]},
        train={**TINY["train"], "epochs": epochs},
        **changes,
    )
    by_decay = {decay: list[PlannedRun]() for decay in decays}
    for run in pipeline.expand():
        by_decay[run.task.regularizers[0].model_dump()["decay"]].append(run)
    return [Pack(tuple(runs), Engine()) for runs in by_decay.values()]


def ends(told: list[Event]) -> dict[str, Finished]:
    return {event.pack.name: event for event in told if isinstance(event, Finished)}


def test_no_more_trials_live_at_a_time_than_are_allowed(tmp_path: Path) -> None:
    from ray.tune.search import Searcher

    from regsearch.study.ray_callbacks import Asks

    packs = make_packs(tmp_path, 4)
    asks = Asks(Packs(packs), most=2)
    assert [asks.suggest(name) for name in "abc"] == [{"pack": packs[0]}, {"pack": packs[1]}, None]
    asks.on_trial_complete("a")
    assert asks.suggest("c") == {"pack": packs[2]}
    asks.on_trial_complete("b", error=True)
    asks.on_trial_complete("c")
    assert asks.suggest("d") == {"pack": packs[3]}
    assert asks.suggest("e") == Searcher.FINISHED


@pytest.mark.ray
def test_asha_stops_the_cells_that_are_worse_by_the_mean_over_their_runs(
    tmp_path: Path, train: Train
) -> None:
    packs = cells(tmp_path, [0.0, 1e-4, 30.0, 60.0], epochs=8)
    told = ends(train(packs, judging=judging("async_hyperband", 8)))
    assert told.keys() == {pack.name for pack in packs}
    results = [[o.result for o in told[pack.name].outcomes if o.result] for pack in packs]
    for pack, (first, second) in zip(packs[2:], results[2:], strict=True):
        assert first.status == second.status == "stopped"
        assert first.epochs == second.epochs < 8
        assert {len(curve) for curve in first.curves.values()} == {first.epochs}
        assert told[pack.name].by == "async_hyperband"
    assert "completed" in {result.status for pair in results[:2] for result in pair}


@pytest.mark.ray
def test_a_diverged_run_ends_its_cell_within_the_epoch_under_a_scheduler(
    tmp_path: Path, train: Train
) -> None:
    rates = {"train.optimizer.lr": [0.01, 1e38]}
    optimizer = {"train": {"optimizer": {"kind": "sgd"}, "epochs": 50, "batch_size": 16}}
    runs = load_tiny(tmp_path, **optimizer, factors=rates, seeds=1).expand()
    told = train([Pack(tuple(runs[:2]), Engine())], judging=judging("async_hyperband", 50))
    [end] = ends(told).values()
    assert end.by == "a diverged run of its cell"
    assert {(o.result.status, o.result.epochs) for o in end.outcomes if o.result} == {
        ("stopped", 1),
        ("diverged", 1),
    }


@pytest.mark.slow
@pytest.mark.ray
def test_hyperband_lets_cells_wait_and_go_on_from_their_checkpoint(
    tmp_path: Path, train: Train
) -> None:
    packs = cells(tmp_path, [0.0, 1e-4, 1e-3, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0], epochs=8)
    config = judging("hyperband", 8)
    told = ends(train(packs, judging=config, every_s=3600))
    assert told.keys() == {pack.name for pack in packs}
    status = {
        pack.name: {o.result.status for o in told[pack.name].outcomes if o.result} for pack in packs
    }
    assert {"stopped"} in list(status.values())[3:]
    whole = [pack for pack in packs if status[pack.name] == {"completed"}]
    here: list[Event] = []
    InProcessExecutor(CheckpointPolicy(tmp_path / "here", 3600, 2)).run(
        Packs(whole), here.append, StopSwitch()
    )
    expected, on_ray = curves(here), curves(list(told.values()))
    for run, measured in expected.items():
        for name, curve in measured.items():
            np.testing.assert_array_equal(on_ray[run][name], curve)


def test_a_scheduler_knows_what_earlier_starts_have_recorded() -> None:
    from ray.tune.schedulers import TrialScheduler

    from regsearch.study.ray_schedulers import make_scheduler

    class New:
        trial_id = "new"

    trial: Any = New()
    poor = {"epoch": 1, "value": 0.2}
    before = tuple((0.5 + 0.01 * n, 0.6) for n in range(6))
    for kind, known, verdict in (
        ("async_hyperband", (), TrialScheduler.CONTINUE),
        ("async_hyperband", before, TrialScheduler.STOP),
        ("median_stopping_rule", (), TrialScheduler.CONTINUE),
        ("median_stopping_rule", before, TrialScheduler.STOP),
    ):
        arguments = {"type": kind}
        config = SCHEDULERS[kind].config.model_validate(arguments)
        metric = Metric(name="test_accuracy", goal="maximize")
        scheduler = make_scheduler(Judging(config, metric, 2, known))
        controller: Any = SimpleNamespace(get_live_trials=list)
        scheduler.on_trial_add(controller, trial)
        assert scheduler.on_trial_result(controller, trial, dict(poor)) == verdict, kind


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
