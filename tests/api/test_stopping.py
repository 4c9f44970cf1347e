"""``stop`` against a process that really holds the study."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regsearch.api import stopping
from regsearch.api.stopping import stop
from regsearch.errors import ConflictError
from regsearch.study.lock import NAME, hold, holder

HOLD = """
import signal, sys, time
from pathlib import Path
from regsearch.study.lock import hold
signal.signal(signal.SIGTERM, {handler})
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def start(handler: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD.format(handler=handler), str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_driver_is_asked_to_end_and_waited_for(tmp_path: Path, start: Start) -> None:
    process = start("lambda *_: sys.exit(143)")
    assert stop(tmp_path).startswith(f"Stopped process {process.pid} on {socket.gethostname()}")
    assert process.wait(10) == 143
    assert holder(tmp_path) is None
    assert stop(tmp_path) == f"Nobody runs {tmp_path.name}."


def test_a_driver_that_does_not_end_is_named(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "PATIENCE_S", 0.3)
    process = start("signal.SIG_IGN")
    with pytest.raises(ConflictError, match=f"kill -9 {process.pid}"):
        stop(tmp_path)
    assert process.poll() is None


def test_a_driver_elsewhere_is_left_alone(tmp_path: Path) -> None:
    with hold(tmp_path):
        told = {"pid": 1, "host": "elsewhere", "started": "2026-03-01T12:00:00+00:00"}
        (tmp_path / NAME).write_text(json.dumps(told))
        with pytest.raises(ConflictError, match="Give `regsearch stop` on elsewhere"):
            stop(tmp_path)


def test_a_study_that_nobody_ever_ran_is_no_error(tmp_path: Path) -> None:
    assert stop(tmp_path) == f"Nobody runs {tmp_path.name}."
