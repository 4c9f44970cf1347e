"""A study without a worker says what it waits for; Ray Tune alone would say nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import ray

from regsearch.study import ray_callbacks
from regsearch.study.executors import Event, Waiting
from regsearch.study.progress import Tally
from regsearch.study.ray_callbacks import Watch
from regsearch.study.ray_session import Resources


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ray_callbacks, "time", clock)
    return clock


def watched(clock: Clock, statuses: list[str], seconds: int) -> list[Event]:
    """What is told while trials stay as they are."""
    told: list[Event] = []
    watch = Watch(Resources(2, 0), told.append)
    trials: list[Any] = [SimpleNamespace(status=status) for status in statuses]
    for _ in range(seconds):
        clock.now += 1
        watch.on_step_end(0, trials)
    return told


def test_a_lost_node_is_named(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_callbacks, "nodes", lambda: [(1.0, 0.0), (1.0, 0.0)])
    told = watched(clock, ["TERMINATED", "PENDING"], 12)
    assert set(told) == {Waiting("a node with 2 CPUs")}
    monkeypatch.setattr(ray_callbacks, "nodes", lambda: [(1.0, 0.0), (2.0, 0.0)])
    assert set(watched(clock, ["PENDING"], 12)) == {Waiting("a worker to start, or to be free")}


@pytest.mark.parametrize("statuses", [["RUNNING", "PENDING"], ["TERMINATED", "PAUSED"], []])
def test_nothing_is_told_while_packs_train_or_none_is_left(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, statuses: list[str]
) -> None:
    monkeypatch.setattr(ray_callbacks, "nodes", list)
    assert watched(clock, statuses, 60) == []


def test_a_short_wait_is_not_worth_a_word(clock: Clock) -> None:
    assert watched(clock, ["PENDING"], 9) == []


def test_the_progress_line_says_it_until_training_goes_on() -> None:
    tally = Tally(runs=4, recorded=0, epochs=8, goal="test_accuracy", higher_is_better=True)
    tally.waiting = "a free worker"
    assert tally.line() == "0/4 runs · waiting for a free worker"
    tally.advance(1, 0.5)
    assert "waiting" not in tally.line()


@pytest.mark.parametrize(
    ("ray_says", "told"),
    [
        (
            "The actor died unexpectedly.\n  Worker exit detail: Worker exited with 137. "
            "Some common causes include: (1) the memory.\nMore.",
            "WorkerDied: the worker process was killed, ran out of memory or crashed. Ray says: "
            "Worker exited with 137.",
        ),
        (
            "The actor died because of an error raised in its creation task.\n  File ...\n"
            "ModuleNotFoundError: No module named 'mine'\n",
            "WorkerDied: the worker process did not start: "
            "ModuleNotFoundError: No module named 'mine'",
        ),
    ],
)
def test_why_a_worker_died_is_one_line(ray_says: str, told: str) -> None:
    error = ray.exceptions.RayActorError(error_msg=ray_says)
    assert ray_callbacks._reason(error) == told
