"""``kill -9`` at random moments: nothing that was recorded is lost, nothing is trained again."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from regsearch.api import run, running
from regsearch.errors import ExitCode
from regsearch.study import executors
from regsearch.study.pack import Pack
from regsearch.study.provenance import git_commit, versions
from regsearch.study.work import PackWork
from tests.tiny import (
    StandIn,
    load_tiny,
    mark,
    recorded,
    without_pilot,
    without_report,
    write_tiny,
)
from tests.victims import Victim, driver, processes_in, wait_for

RUNS = 160
KILLS = 110


def test_kills_at_random_moments_of_many_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    monkeypatch.setattr(running, "InProcessExecutor", StandIn)
    pipeline = load_tiny(tmp_path, seeds=RUNS // 2)
    versions(), git_commit()  # once for all children
    kills = studies = 0
    while kills < KILLS:
        studies += 1
        monkeypatch.setattr(StandIn, "marks", tmp_path / f"{studies}.marks", raising=False)
        victim = Victim(tmp_path / f"study{studies}", StandIn.marks, pipeline)
        start = driver(pipeline, victim.study)
        code = None
        while code is None:  # each life but the first is a resume, and is killed in its turn
            code = victim.live(start, random.uniform(0, 0.25))
        assert code == 0
        assert victim.account == f"0 of {RUNS} runs lost, 0 trained twice, {victim.kills} kills"
        kills += victim.kills
        shutil.rmtree(victim.study)


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
    untouched = load_tiny(tmp_path, seeds=6, train=training)
    assert run(untouched, tmp_path / "untouched", in_process=True) is ExitCode.DONE
    pipeline = load_tiny(tmp_path, seeds=6, train=training, checkpoint={"every_s": 1e-3})
    marks.unlink()
    victim = Victim(tmp_path / "study", marks, pipeline)
    code = None
    while code is None:
        code = victim.live(driver(pipeline, victim.study), random.uniform(0.05, 0.6))
    assert code == 0
    assert victim.recorded.keys() == victim.planned, victim.account
    assert not victim.again, victim.account
    assert victim.kills >= 3, "the kills came too late to mean anything"
    assert not any((victim.study / "checkpoints").iterdir())
    assert curves(victim.study) == curves(tmp_path / "untouched"), "a resumed pack went astray"


def curves(study: Path) -> dict[str, dict[str, bytes]]:
    return {
        run: {name: curve.tobytes() for name, curve in record.curves.items()}
        for run, record in recorded(study).items()
    }


@pytest.mark.slow
@pytest.mark.ray
def test_kills_of_the_command_with_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="rs", dir="/tmp"))  # short: Ray's sockets lie in it
    monkeypatch.setenv("TMPDIR", str(scratch))
    training = {"optimizer": {"kind": "adam", "lr": 0.01}, "epochs": 50, "batch_size": 16}
    file = write_tiny(tmp_path, seeds=40, train=training)
    study = tmp_path / "study"
    command = [sys.executable, "-m", "regsearch", "run", str(file), "--output", str(study)]
    victim = Victim(study, tmp_path / "marks", load_tiny(tmp_path, seeds=40, train=training))

    def start() -> int:
        return os.posix_spawn(sys.executable, command, os.environ)

    try:
        while victim.kills < 5:
            victim.live(start, random.uniform(4, 20))
        arrived = finished_at(study)
        assert victim.live(start, 600) == 0
        assert victim.recorded.keys() == victim.planned, victim.account
        assert finished_at(study).items() >= arrived.items(), "a recorded run was trained again"
        wait_for(lambda: not processes_in(scratch))
        assert not list(scratch.glob("regsearch-*")), "folders of killed drivers are left"
    finally:
        shutil.rmtree(scratch)


def finished_at(study: Path) -> dict[str, str]:
    if not (study / "study.db").exists():
        return {}
    return {name: record.finished for name, record in recorded(study).items()}
