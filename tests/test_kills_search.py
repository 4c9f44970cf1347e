"""``kill -9`` under a scheduler and a search that learns: nothing is lost or trained again."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regsearch.api import running
from regsearch.errors import ExitCode
from regsearch.records import Status
from regsearch.study.executors import Event, Finished
from regsearch.study.feed import Feed
from regsearch.study.provenance import git_commit, versions
from regsearch.study.stop import StopSwitch
from regsearch.study.work import Outcome
from tests.invariants import check_invariants
from tests.subjects import ASHA, PBT, TPE, Subject
from tests.tiny import StandIn, load_tiny, mark, result, without_pilot, without_report
from tests.victims import Victim, driver, processes_in, wait_for

KILLS = 12


class Slope(StandIn):
    """Runs take no time and come out the better the less their weights decay."""

    def run(self, feed: Feed, tell: Callable[[Event], None], switch: StopSwitch) -> None:
        while (pack := feed.next()) is not None:
            mark(self.marks, pack)
            outcomes = []
            for run in pack.runs:
                (method,) = run.task.model_dump()["regularizers"]
                came_out = result()
                came_out.curves["test_accuracy"] = np.array([1 - method["decay"]], np.float32)
                outcomes.append(Outcome(run.run, came_out, None, len(pack.runs)))
            tell(Finished(pack, outcomes))


def test_kills_at_random_moments_of_a_search_that_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    monkeypatch.setattr(running, "InProcessExecutor", Slope)
    decay = {"uniform": [0.0, 1.0]}
    space = {"regularizers": [{"kind": "weight_decay", "decay": decay}]}
    search = {"algorithm": "optuna", "cells": 12, "batch": 1, "sampler": {"kind": "tpe"}}
    pipeline = load_tiny(tmp_path, search_space=space, search=search)
    versions(), git_commit()  # once for all children
    kills = studies = 0
    while kills < KILLS:
        studies += 1
        monkeypatch.setattr(StandIn, "marks", tmp_path / f"{studies}.marks", raising=False)
        victim = Victim(tmp_path / f"study{studies}", StandIn.marks, pipeline)
        code = None
        while code is None:
            patience = 0.3 + 0.05 * victim.kills  # a busy machine comes to an end, too
            code = victim.live(driver(pipeline, victim.study), random.uniform(0, patience))
        assert code == 0
        assert victim.account == f"0 of 24 runs lost, 0 trained twice, {victim.kills} kills"
        kills += victim.kills
        shutil.rmtree(victim.study)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize(
    ("search", "pace"),
    [
        pytest.param(ASHA, (0, 2, 0, 2, 2), id="asha"),
        pytest.param(TPE, (0, 2, 0, 2, 2), id="tpe"),
        pytest.param(PBT, (0, 0, 0, 0, 2), id="pbt"),  # whose members end one right after another
    ],
)
def test_kills_of_the_driver_with_ray(
    search: dict[str, Any],
    pace: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="rs", dir="/tmp"))  # short: Ray's sockets lie in it
    monkeypatch.setenv("TMPDIR", str(scratch))
    kept: dict[str, Status] = {}
    try:
        with Subject(tmp_path, **search) as subject:
            for more in pace:  # records, beyond those that are there
                known, heard = len(subject.records()), subject.trained()
                enough = min(known + more, 12)
                subject.start()
                subject.wait_for(
                    lambda heard=heard, enough=enough: (
                        subject.trained() > heard and len(subject.records()) >= enough
                    )
                )
                if not more:
                    time.sleep(random.uniform(0, 1))
                subject.kill()
                kept = check_invariants(subject.study, subject.planned().keys(), acknowledged=kept)
            assert kept, "the kills came too soon to mean anything"
            subject.start()
            assert subject.end() == ExitCode.DONE, subject.told
            planned = subject.planned().keys()
            check_invariants(subject.study, planned, acknowledged=kept, exit_code=0)
            account = subject.account()
        with capsys.disabled():
            sys.stdout.write(
                f"\n5 kills of a driver, {len(kept)} runs before the last: {account}\n"
            )
        assert str(account) == "16 runs finished, 0 lost, 0 trained twice, 0 wrong"
        wait_for(lambda: not processes_in(scratch))
        assert not list(scratch.glob("regsearch-*")), "folders of killed drivers are left"
    finally:
        shutil.rmtree(scratch)


DEATHS = {
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "exit": "import os; os._exit(0)",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "memory": "raise MemoryError",
}


def obedient(folder: Path) -> dict[str, Any]:
    """A model that does once what it finds in ``order``."""
    return {
        "kind": "custom",
        "path": "tests.own_models:obedient",
        "arguments": {"order": str(folder / "order")},
    }


@pytest.mark.slow
@pytest.mark.ray
def test_a_trial_that_dies_goes_on_and_the_scheduler_sees_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = tmp_path / "order"
    budget = {"max_failures": len(DEATHS)}
    with Subject(tmp_path, **ASHA | {"model": obedient(tmp_path), "budget": budget}) as subject:
        subject.start()
        heard = 8
        for death in DEATHS.values():
            subject.wait_for(lambda heard=heard: subject.trained() >= heard)
            order.write_text(death)
            subject.wait_for(lambda: not order.exists())
            heard = subject.trained() + 8
        assert subject.end() == ExitCode.DONE, subject.told
        check_invariants(subject.study, subject.planned().keys(), exit_code=0)
        alone = [r for r in subject.records().values() if r.provenance["pack"] == 1]
        account = subject.account()
    with capsys.disabled():
        sys.stdout.write(f"\ntrials that ended by {', '.join(DEATHS)}: {account}\n")
    assert str(account) == "16 runs finished, 0 lost, 0 trained twice, 0 wrong"
    assert len(alone) == 2, "the runs of the cell without memory are trained one by one"


@pytest.mark.slow
@pytest.mark.ray
def test_a_cell_that_no_memory_is_enough_for_fails_in_words_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    model = {name: value for name, value in obedient(tmp_path).items() if name != "arguments"}
    changes = {
        "search_space": {"regularizers": [{"kind": "weight_decay", "decay": [0.0, 0.3]}]},
        "model": model,
        "factors": {"model.arguments": [{"order": "", "hungry": hungry} for hungry in (0, 1)]},
        "budget": {"max_failures": 1},
    }
    with Subject(tmp_path, **ASHA | changes) as subject:
        subject.start()
        assert subject.end() == ExitCode.FAILED, subject.told
        records = list(subject.records().values())
    failed = [record for record in records if record.task["model"]["arguments"]["hungry"]]
    assert len(failed) == len(records) / 2 == 4
    assert {record.status for record in failed} == {Status.FAILED}
    told = "MemoryError: out of memory with a single run: choose a smaller batch_size or model"
    assert {record.reason for record in failed} == {told}
    assert Status.FAILED not in {record.status for record in records if record not in failed}
