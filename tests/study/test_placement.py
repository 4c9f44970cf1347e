"""What is in training where: told by executors, shown while the driver lives, and not after."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from regsearch.api import open_study, status_lines
from regsearch.study import executors, placement
from regsearch.study.executors import (
    Advanced,
    Begun,
    CheckpointPolicy,
    Event,
    Failed,
    Finished,
)
from regsearch.study.feed import Packs
from regsearch.study.lock import Holder, hold
from regsearch.study.pack import Pack
from regsearch.study.place import Place, here, name_of
from regsearch.study.placement import Board, Seat, in_training, shown
from regsearch.study.ray_session import RaySession, Resources
from regsearch.study.stop import StopSwitch
from regsearch.study.work import Progress
from regsearch.train.engine import Engine
from tests.tiny import load_tiny, without_pilot, without_report

HERE = Place("node-a", "NVIDIA H200", 11, "10.0.0.7", 1.0, 0.5, ("3",))
"""Half of a GPU."""


@pytest.fixture
def packs(tmp_path: Path) -> list[Pack]:
    runs = load_tiny(tmp_path, seeds=3).expand()
    return [Pack(tuple(runs[at : at + 2]), Engine()) for at in (0, 2, 4)]


def heard(*events: Event) -> list[Seat]:
    board = Board()
    for event in events:
        board.hear(event)
    return board.seats()


def test_a_pack_is_seated_from_its_begin_to_its_end(packs: list[Pack]) -> None:
    one, two, three = packs
    seats = heard(
        Begun(one),
        Begun(two),
        Advanced(one, Progress(2, epoch=1.0), HERE),
        Advanced(one, Progress(2, epoch=2.0)),
        Begun(three),
        Finished(three, []),
        Advanced(two, Progress(2, epoch=0.5), replace(HERE, process=12)),
        Failed(two, "lost"),
    )
    [seat] = seats
    assert (seat.pack, seat.runs, seat.epoch, seat.epochs) == (one.name, 2, 2.0, 2)
    assert seat.place == HERE
    assert seat.heard is not None
    assert seat.since <= seat.heard


def test_two_packs_share_a_gpu_but_never_a_worker(packs: list[Pack]) -> None:
    one, two, three = packs
    beside = replace(HERE, process=12)
    elsewhere = replace(HERE, address="10.0.0.8")  # the same process number on another node
    shared = heard(
        *(
            Advanced(p, Progress(), at)
            for p, at in zip(packs, (HERE, beside, elsewhere), strict=True)
        )
    )
    assert [seat.pack for seat in shared] == [one.name, two.name, three.name]
    paused = heard(Advanced(one, Progress(), HERE), Begun(two), Advanced(two, Progress(), HERE))
    assert [seat.pack for seat in paused] == [two.name], "the first waits for others"
    back = heard(Advanced(one, Progress(), HERE), Begun(one))
    assert [(seat.pack, seat.place) for seat in back] == [(one.name, None)]


def wait_for(seats: Callable[[], list[Seat]], count: int) -> list[Seat]:
    deadline = time.monotonic() + 20
    while len(found := seats()) != count and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def test_others_read_it_while_its_driver_lives_and_only_then(
    tmp_path: Path, packs: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "EVERY_S", 0.01)
    with hold(tmp_path) as driver:
        with shown(tmp_path, driver) as board:
            board.hear(Begun(packs[0], HERE))
            found = wait_for(lambda: in_training(tmp_path, driver), 1)
            assert found == board.seats()
            written = (tmp_path / placement.NAME).read_bytes()
            assert in_training(tmp_path, None) == []
            assert in_training(tmp_path, replace(driver, pid=driver.pid + 1)) == []
        assert not (tmp_path / placement.NAME).exists()
    (tmp_path / placement.NAME).write_bytes(written)  # as a driver leaves it that is killed
    later = Holder(driver.pid, driver.host, "2030-01-01T00:00:00+00:00")
    assert in_training(tmp_path, later) == []
    assert in_training(tmp_path, driver) == found, "no other check hides it"


def test_it_is_written_at_most_once_in_a_while(
    tmp_path: Path, packs: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    monkeypatch.setattr(placement, "EVERY_S", 0.3)
    monkeypatch.setattr(placement, "_write", lambda path, driver, seats: written.append(len(seats)))
    began = time.monotonic()
    with shown(tmp_path, Holder(1, "x", "")) as board:
        for _ in range(3000):
            board.hear(Begun(packs[0]))
            board.hear(Advanced(packs[0], Progress(), HERE))
        time.sleep(0.5)
    assert 1 <= len(written) <= 2 + (time.monotonic() - began) / 0.3
    assert written[-1] == 1, "the last news is shown, too"


def test_a_disk_that_refuses_does_not_end_the_study(tmp_path: Path, packs: list[Pack]) -> None:
    gone = tmp_path / "gone"
    with shown(gone, Holder(1, "x", "")) as board:
        board.hear(Begun(packs[0]))
    assert not gone.exists()


def moment(ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()


def test_a_seat_in_words() -> None:
    seat = Seat("3f2a", 16, "enc + weight_decay", 100, moment(130), 12.5, moment(4), HERE)
    assert str(seat) == (
        "3f2a    16 runs  enc + weight_decay  epoch 12.5 of 100  "
        "node-a (10.0.0.7), 1 CPU, GPU 3 (0.5 of it)  for 2 min 10 s, heard 4 s ago"
    )
    starting = Seat("3f2a", 1, "none", 5, moment(3))
    assert str(starting) == "3f2a     1 run  none  epoch 0 of 5  starting  for 3 s"
    whole = replace(HERE, cpus=4.0, gpus=2.0, gpu_ids=("0", "1"))
    assert str(whole) == "node-a (10.0.0.7), 4 CPUs, GPUs 0, 1"
    assert str(here("cpu")) == socket.gethostname()


def test_the_device_has_its_makers_name() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    named = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    expected = named[0].split(":", 1)[1].strip() if named else os.uname().machine
    assert name_of("cpu") == expected
    assert (here("cpu").process, here("cpu").gpu_ids) == (os.getpid(), ())


def test_status_shows_it_while_a_study_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "EVERY_S", 0.01)
    monkeypatch.setattr(executors, "REPORT_EVERY_S", 0.0)
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    study = tmp_path / "study"
    told: list[dict[str, Any]] = []
    tell = Board.hear

    def hear(board: Board, event: Event) -> None:
        tell(board, event)
        if isinstance(event, Advanced) and not told:
            status = wait_for_epoch(study)
            told.append(status)

    def wait_for_epoch(study: Path) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            status = open_study(study).status()
            if status["training"] and status["training"][0]["epoch"]:
                break
            time.sleep(0.01)
        return status

    monkeypatch.setattr(Board, "hear", hear)
    load_tiny(tmp_path).run(study, in_process=True)
    [status] = told
    json.dumps(status)
    [pack] = status["training"]
    assert (pack["runs"], pack["epoch"], pack["epochs"]) == (2, 1.0, 2)
    assert pack["place"]["node"] == socket.gethostname()
    lines = list(status_lines(status))
    place = lines.index("training     1 pack")
    assert lines[place + 1].startswith(f"  {pack['pack']}     2 runs  weight_decay  epoch 1 of 2")
    assert status["running"].startswith(f"process {os.getpid()} on")
    after = open_study(study).status()
    assert (after["training"], after["completed"]) == ([], 4)
    assert "training     0 packs" in status_lines(after)


@pytest.mark.slow
@pytest.mark.ray
def test_packs_that_share_a_gpu_say_so(
    packs: list[Pack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray is told of a GPU that is not there; packs compute on the CPU."""
    import ray

    from regsearch.study.ray_executor import RayExecutor

    start = ray.init
    monkeypatch.setattr(ray, "init", lambda **how: start(**how | {"num_cpus": 2, "num_gpus": 1}))
    session = RaySession(None, gpus_wanted=True)
    told: list[Event] = []
    try:
        session.start()
        session.wait()
        saves = CheckpointPolicy(tmp_path / "checkpoints", 3600, 2)
        executor = RayExecutor(session, Resources(1, 0.5), saves, 0)
        assert executor.workers == 2
        executor.run(Packs(packs), told.append, StopSwitch())
        addresses = {node["NodeManagerAddress"] for node in ray.nodes()}
    finally:
        session.close()
    for pack in packs:
        begun, first, *others, ended = (
            event
            for event in told
            if isinstance(event, Begun | Advanced | Finished) and event.pack is pack
        )
        assert isinstance(begun, Begun)
        assert isinstance(first, Advanced)
        assert isinstance(ended, Finished)
        assert all(isinstance(other, Advanced) and other.place is None for other in others)
        place = first.place
        assert place is not None
        assert place.address in addresses
        assert place.process != os.getpid()
        assert (place.node, place.cpus, place.gpus) == (socket.gethostname(), 1.0, 0.5)
        assert place.gpu_ids == ("0",)
