"""``kill -9`` at random moments: nothing that was recorded is lost, nothing is trained again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from regsearch.api import Pipeline, run, running
from regsearch.errors import ExitCode
from regsearch.records import Status, Store
from regsearch.study import executors
from regsearch.study.pack import Pack
from regsearch.study.work import PackWork
from tests.faults import start_child
from tests.invariants import check_invariants
from tests.tiny import StandIn, load_tiny, mark, marked, without_pilot, without_report, write_tiny

RUNS = 80
KILLS = 120


class Victim:
    """A study whose driver is killed again and again, and the account of what that did."""

    def __init__(self, study: Path, marks: Path, planned: set[str]) -> None:
        self.study, self.marks, self.planned = study, marks, planned
        self.recorded: dict[str, Status] = {}
        self.kills = self.again = 0

    def live(self, start: Callable[[], int], seconds: float) -> int | None:
        """Start a driver and kill it after ``seconds``; its exit code if it was done before."""
        before = len(marked(self.marks))
        code = end(start(), seconds)
        self.kills += code is None
        trained = marked(self.marks)[before:]
        self.again += sum(run in self.recorded for run in trained)
        self.recorded = check_invariants(
            self.study, self.planned, acknowledged=self.recorded, exit_code=code
        )
        return code

    @property
    def account(self) -> str:
        lost = len(self.planned - self.recorded.keys())
        return (
            f"{lost} of {len(self.planned)} runs lost, "
            f"{self.again} trained again after they were recorded, over {self.kills} kills"
        )


def end(process: int, seconds: float) -> int | None:
    """SIGKILL ``process`` after ``seconds``; its exit code if it ended by itself, else ``None``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return None if code == -signal.SIGKILL else code


def driver(pipeline: Pipeline, study: Path) -> Callable[[], int]:
    """Start a driver in a forked process: imports are paid for once."""

    def work() -> None:
        torch.set_num_threads(1)  # the threads of our parent's pool did not come along
        assert run(pipeline, study, in_process=True) is ExitCode.DONE

    return lambda: start_child(work)


def test_kills_at_random_moments_of_many_studies(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    monkeypatch.setattr(running, "InProcessExecutor", StandIn)
    pipeline = load_tiny(tmp_path, seeds=RUNS // 2)
    planned = {run.run for run in pipeline.expand()}
    kills = studies = 0
    while kills < KILLS:
        studies += 1
        monkeypatch.setattr(StandIn, "marks", tmp_path / f"{studies}.marks", raising=False)
        victim = Victim(tmp_path / f"study{studies}", StandIn.marks, planned)
        start = driver(pipeline, victim.study)
        code = None
        while code is None:  # each life but the first is a resume, and is killed in its turn
            code = victim.live(start, random.uniform(0, 0.4))
        assert code == 0
        assert victim.recorded.keys() == planned, victim.account
        assert not victim.again, victim.account
        kills += victim.kills
        shutil.rmtree(victim.study)
    record_property("kills", f"0 of {studies * RUNS} lost, 0 trained twice over {kills} kills")


def test_kills_while_packs_train_and_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    marks = tmp_path / "marks"

    class MarkingWork(PackWork):
        def __init__(self, pack: Pack, *policy: object) -> None:
            mark(marks, pack)
            super().__init__(pack, *policy)  # type: ignore[arg-type]

    monkeypatch.setattr(executors, "PackWork", MarkingWork)
    monkeypatch.setattr(executors, "REPORT_EVERY_S", 0.0)
    training = {"optimizer": {"kind": "adam", "lr": 0.01}, "epochs": 8, "batch_size": 16}
    pipeline = load_tiny(tmp_path, seeds=6, train=training, checkpoint={"every_s": 1e-3})
    victim = Victim(tmp_path / "study", marks, {run.run for run in pipeline.expand()})
    code = None
    while code is None:
        code = victim.live(driver(pipeline, victim.study), random.uniform(0.05, 0.6))
    assert code == 0
    assert victim.recorded.keys() == victim.planned, victim.account
    assert not victim.again, victim.account
    assert victim.kills >= 3, "the kills came too late to mean anything"
    assert not any((victim.study / "checkpoints").iterdir())

    untouched = load_tiny(tmp_path, seeds=6, train=training)
    assert run(untouched, tmp_path / "untouched", in_process=True) is ExitCode.DONE
    assert curves(victim.study) == curves(tmp_path / "untouched"), "a resumed pack went astray"


def curves(study: Path) -> dict[str, dict[str, bytes]]:
    with Store.open(study, read_only=True) as store:
        return {
            record.run: {name: curve.tobytes() for name, curve in record.curves.items()}
            for _, record in store.records()
        }


@pytest.mark.slow
@pytest.mark.ray
def test_kills_of_the_command_with_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="rs", dir="/tmp"))  # short: Ray's sockets lie in it
    monkeypatch.setenv("TMPDIR", str(scratch))
    training = {"optimizer": {"kind": "adam", "lr": 0.01}, "epochs": 200, "batch_size": 16}
    file = write_tiny(tmp_path, seeds=40, train=training)
    study = tmp_path / "study"
    planned = {run.run for run in load_tiny(tmp_path, seeds=40, train=training).expand()}
    command = [sys.executable, "-m", "regsearch", "run", str(file), "--output", str(study)]
    victim = Victim(study, tmp_path / "marks", planned)

    def start() -> int:
        return subprocess.Popen(command, cwd=Path(__file__).parent.parent).pid

    try:
        while victim.kills < 5:
            victim.live(start, random.uniform(4, 30))
        arrived = Counter(victim.recorded)
        assert victim.live(start, 600) == 0
        assert victim.recorded.keys() == planned, victim.account
        assert arrived.keys() <= victim.recorded.keys()
        wait_for(lambda: not processes_in(scratch))
        assert not list(scratch.glob("regsearch-*")), "folders of killed drivers are left"
    finally:
        shutil.rmtree(scratch)


def processes_in(folder: Path) -> list[str]:
    """Command lines of processes that were started with ``folder``."""
    commands = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        commands += [line] if str(folder) in line else []
    return commands


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
