"""MLflow's server is killed and started again while a scheduler's study trains on Ray."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from regsearch.errors import ExitCode
from regsearch.track import Tracking
from regsearch.track.reachable import reachable
from regsearch.track.ui import ui_command, ui_environment
from tests.invariants import check_invariants
from tests.nodes import free_port
from tests.subjects import ASHA, Subject


@contextmanager
def server(database: Path, port: int, log: Path) -> Iterator[None]:
    """A real ``mlflow server``; it ends by ``kill -9`` of all its processes."""
    local, served = Tracking(f"sqlite:///{database}"), Tracking(f"http://127.0.0.1:{port}", "tiny")
    with log.open("a") as told:
        process = subprocess.Popen(
            ui_command(local, port),
            env=ui_environment(local),
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 240
        while problem := reachable(served):
            assert time.monotonic() < deadline, f"{problem}\n{log.read_text()}"
            time.sleep(0.5)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def delivered(database: Path) -> list[tuple[str, int]]:
    """Of each MLflow run: which of ours it is, and how many epochs it has."""
    query = (
        "SELECT tags.value, count(*) FROM tags JOIN metrics USING (run_uuid) "
        "WHERE tags.key = 'regsearch.run' AND metrics.key = 'test_accuracy' GROUP BY run_uuid"
    )
    with closing(sqlite3.connect(database)) as sql:
        return sorted(sql.execute(query))


@pytest.mark.slow
@pytest.mark.ray
def test_a_study_under_a_scheduler_outlives_its_mlflow(tmp_path: Path) -> None:
    database, port, log = tmp_path / "mlflow.db", free_port(), tmp_path / "log"
    tracking = {"mlflow": {"tracking_uri": f"http://127.0.0.1:{port}"}}
    with Subject(tmp_path, **ASHA | {"tracking": tracking}) as subject:
        with server(database, port, log):
            subject.start()
            subject.wait_for(lambda: len(subject.records()) >= 4)
        subject.wait_for(lambda: len(subject.records()) >= 8)  # goes on while MLflow is away
        with server(database, port, log):
            code = subject.end()
            assert code in (ExitCode.DONE, ExitCode.UNDELIVERED), subject.told
            check_invariants(subject.study, subject.planned().keys(), exit_code=code)
            if code == ExitCode.UNDELIVERED:  # it was away for longer than the study's patience
                subject.start()
                assert subject.end() == ExitCode.DONE, subject.told
        assert str(subject.account()) == "16 runs finished, 0 lost, 0 trained twice, 0 wrong"
        records = subject.records()
    assert delivered(database) == sorted((run, r.epochs) for run, r in records.items())
