"""A study in a process of its own, which meets with faults, and the account of what they did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regsearch.api.reproduction import course
from regsearch.records import Record
from regsearch.study.expand import count_runs
from regsearch.study.trials import PlannedRun
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.task import Change, Task
from tests.noting import most_at_once, note, trained_again
from tests.tiny import load_tiny, recorded

ROOT = Path(__file__).parents[1]

DECAYS = [0.1, 1.0, 0.3, 0.0, 0.5, 2.0, 0.03, 3.0]
STUDY: dict[str, Any] = {
    "search_space": {"regularizers": [{"kind": "weight_decay", "decay": DECAYS}]},
    "dataset": {"kind": "digits", "train_size": 256},
    "model": {"kind": "mlp", "widths": [32]},
    "train": {"optimizer": {"kind": "adam", "lr": 0.01}, "epochs": 32, "batch_size": 32},
    "checkpoint": {"every_s": 0.2},
}
"""Eight cells of two seeds, each a second or two of training: changes for ``tests.tiny``."""

ASHA = STUDY | {"scheduler": {"type": "async_hyperband", "grace_period": 2}}
HYPERBAND = STUDY | {"scheduler": {"type": "hyperband"}}
PBT = STUDY | {"scheduler": {"type": "pbt", "perturbation_interval": 6}}
TPE = STUDY | {
    "search_space": {
        "regularizers": [{"kind": "weight_decay", "decay": {"loguniform": [1e-3, 3.0]}}]
    },
    "search": {"algorithm": "optuna", "cells": 8, "batch": 1},
}


@dataclass(frozen=True)
class Account:
    """What came of a study; ``wrong`` runs have other curves than when their cell trains alone."""

    finished: int
    lost: int
    twice: int
    wrong: int

    def __str__(self) -> str:
        return (
            f"{self.finished} runs finished, {self.lost} lost, {self.twice} trained twice, "
            f"{self.wrong} wrong"
        )


class Subject:
    """``regsearch run`` of ``tests.tiny``'s study with ``changes``, again and again."""

    def __init__(self, folder: Path, *options: str, **changes: Any) -> None:
        self.pipeline = load_tiny(folder, **changes)
        self.study, self._notes, self._told = (folder / n for n in ("study", "notes", "told"))
        self._notes.touch()
        told = [str(self._notes), "run", str(folder / "tiny.yaml"), "--output", str(self.study)]
        self._command = [sys.executable, "-m", "tests.noting", *told, *options]
        self._driver: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Subject:
        return self

    def __exit__(self, *error: object) -> None:
        if self._driver is not None and self._driver.poll() is None:
            self.send(signal.SIGKILL)
            self._driver.wait()

    def start(self, *options: str) -> None:
        """Start, or go on."""
        note(self._notes, "started", ["driver"])
        note(self._notes, "recorded", list(self.records()))  # a kill may have come before the note
        with self._told.open("wb") as told:
            self._driver = subprocess.Popen(
                [*self._command, *options],
                stdout=told,
                stderr=told,
                cwd=ROOT,
                start_new_session=True,
            )

    @property
    def told(self) -> str:
        """What the driver has written."""
        return self._told.read_text()

    @property
    def driver(self) -> subprocess.Popen[bytes]:
        """The process of the last start."""
        assert self._driver is not None
        return self._driver

    def wait_for(self, condition: Callable[[], object], seconds: float = 240.0) -> None:
        """Look again and again, as long as the driver lives."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.driver.poll() is None, self.told
            assert time.monotonic() < deadline, self.told
            time.sleep(0.05)

    def send(self, number: int) -> None:
        """A signal to all of its processes, as a terminal does."""
        os.killpg(self.driver.pid, number)

    def kill(self) -> None:
        """``kill -9`` of the driver alone."""
        self.driver.kill()
        assert self.driver.wait() == -signal.SIGKILL, self.told

    def end(self, seconds: float = 400.0) -> int:
        """The exit code."""
        try:
            return self.driver.wait(seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            raise

    def trained(self) -> int:
        """How often a run was heard of while it trained."""
        return self._notes.read_text().count("trained")

    def most_at_once(self) -> int:
        """Runs in training at the same time, at most."""
        return most_at_once(self._notes)

    def records(self) -> dict[str, Record]:
        """By run, in order of arrival; none before there is a store."""
        return recorded(self.study) if (self.study / "study.db").exists() else {}

    def planned(self) -> dict[str, PlannedRun]:
        """The runs that the file asks for, as far as they are known."""
        return {
            run.run: run for run in self.pipeline.expand(r.task for r in self.records().values())
        }

    def account(self) -> Account:
        """What the store and the notes say, and what the cells give when trained here."""
        records, planned = self.records(), self.planned()
        assert records.keys() <= planned.keys()
        cells: dict[str, list[PlannedRun]] = {}
        for run in records:
            cells.setdefault(planned[run].cell, []).append(planned[run])
        wrong = sum(differing([records[run.run] for run in cell], cell) for cell in cells.values())
        lost = count_runs(self.pipeline.spec) - len(records)
        return Account(len(records), lost, len(trained_again(self._notes)), wrong)


def differing(records: Sequence[Record], runs: Sequence[PlannedRun]) -> int:
    """How many records of a cell have other curves than its runs, trained here and alone.

    They are trained as one pack, or one by one where there was no memory for both.
    """
    together = records[0].provenance["pack"]
    packs = range(0, len(runs), together)
    return sum(_differing(records[n : n + together], runs[n : n + together]) for n in packs)


def _differing(records: Sequence[Record], runs: Sequence[PlannedRun]) -> int:
    tasks = [_as_trained(record, run.task) for record, run in zip(records, runs, strict=True)]
    training = PackTraining(tasks, Engine())
    while not training.done and training.epoch < max(record.epochs for record in records):
        training.run_epoch()
    alone = [result.curves for result in training.results()]
    return sum(
        any(not same(curve, curves[name][: record.epochs]) for name, curve in record.curves.items())
        for record, curves in zip(records, alone, strict=True)
    )


def _as_trained(record: Record, task: Task) -> Task:
    """Of a member of a population, the course that its hyper-parameters have taken."""
    if task.population is None:
        return task
    changes = [Change.model_validate(change) for change in course(record)]
    train = task.train.model_copy(update={"course": changes})
    return task.model_copy(update={"population": None, "train": train})


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Bit for bit."""
    return np.array_equal(one, other, equal_nan=True)
