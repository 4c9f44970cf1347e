"""Drivers that are killed again and again, and the account of what that did."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

from regsearch.api import Pipeline, run
from regsearch.errors import ExitCode
from regsearch.records import Status
from regsearch.study.expand import count_runs
from tests.faults import start_child
from tests.invariants import check_invariants
from tests.tiny import marked, recorded


class Victim:
    """A study whose driver is killed again and again, and the account of what that did."""

    def __init__(self, study: Path, marks: Path, pipeline: Pipeline) -> None:
        self.study, self.marks, self._pipeline = study, marks, pipeline
        self._known = None if pipeline.is_open else {run.run for run in pipeline.expand()}
        self.recorded: dict[str, Status] = {}
        self.kills = self.again = 0

    @property
    def planned(self) -> set[str]:
        """Runs that the pipeline asks for; of a search that learns, as far as they are recorded."""
        if self._known is not None:
            return self._known
        tasks = recorded(self.study).values() if (self.study / "study.db").exists() else ()
        return {run.run for run in self._pipeline.expand(record.task for record in tasks)}

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
        runs = count_runs(self._pipeline.spec)
        lost = runs - len(self.recorded)
        return f"{lost} of {runs} runs lost, {self.again} trained twice, {self.kills} kills"


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
