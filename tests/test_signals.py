"""Ctrl-C and SIGTERM, sent to the real command in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regsearch.errors import ExitCode
from regsearch.study.checkpoints import begun
from tests.invariants import check_invariants
from tests.tiny import load_tiny, recorded, write_tiny


class Started:
    """The command in a process of its own: one pack takes a moment, the next one takes hours."""

    def __init__(self, folder: Path, *options: str) -> None:
        train = {"optimizer": {"kind": "adam", "lr": 0.01}, "batch_size": 16}
        changes = {"train": train, "factors": {"train.epochs": [2, 1_000_000]}, "seeds": 1}
        file, self.study = write_tiny(folder, **changes), folder / "study"
        self.planned = {run.run for run in load_tiny(folder, **changes).expand()}
        command = [sys.executable, "-m", "regsearch", "run", str(file), "--output", str(self.study)]
        self._process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_for_records(self) -> None:
        deadline = time.monotonic() + 120
        while not ((self.study / "study.db").exists() and len(recorded(self.study)) == 2):
            assert self._process.poll() is None, self._process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def send(self, number: int) -> None:
        os.killpg(self._process.pid, number)  # as a terminal does

    def end(self) -> tuple[int, str, float]:
        """Exit code, what it told, and the seconds that it took from now on."""
        began = time.monotonic()
        told, _ = self._process.communicate(timeout=60)
        return self._process.returncode, told, time.monotonic() - began


def check_stopped(started: Started, code: int, told: str) -> None:
    kept = check_invariants(started.study, started.planned, exit_code=code)
    assert len(kept) == 2
    [saved] = begun(started.study / "checkpoints")
    assert set(saved) == started.planned - kept.keys()
    assert "2 of 4 runs recorded: 2 completed" in told
    assert "Stopped, the report is not drawn; give the same command again to go on." in told


def test_130_ctrl_c_once_keeps_what_is_finished_and_saves_the_rest(tmp_path: Path) -> None:
    started = Started(tmp_path, "--in-process")
    started.wait_for_records()
    started.send(signal.SIGINT)
    code, told, _ = started.end()
    assert code == ExitCode.INTERRUPTED, told
    assert "Ctrl-C again stops at once" in told
    check_stopped(started, code, told)


def test_143_sigterm_ends_within_ten_seconds(tmp_path: Path) -> None:
    started = Started(tmp_path, "--in-process")
    started.wait_for_records()
    started.send(signal.SIGTERM)
    code, told, seconds = started.end()
    assert code == ExitCode.TERMINATED, told
    assert seconds < 10
    check_stopped(started, code, told)


def test_130_ctrl_c_twice_ends_at_once(tmp_path: Path) -> None:
    started = Started(tmp_path, "--in-process")
    started.wait_for_records()
    started.send(signal.SIGINT)
    time.sleep(0.02)
    started.send(signal.SIGINT)
    code, told, seconds = started.end()
    assert code == ExitCode.INTERRUPTED, told
    assert seconds < 5
    assert len(check_invariants(started.study, started.planned)) == 2


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)],
)
def test_a_signal_stops_ray_too(tmp_path: Path, number: int, code: ExitCode) -> None:
    started = Started(tmp_path)
    started.wait_for_records()
    started.send(number)
    ended, told, seconds = started.end()
    assert ended == code, told
    assert seconds < 10 or number == signal.SIGINT
    kept = check_invariants(started.study, started.planned)
    [saved] = begun(started.study / "checkpoints")
    assert set(saved) == started.planned - kept.keys()
