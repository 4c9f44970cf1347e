"""A study that trains in a fraction of a second, and what tells how its runs came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from regsearch import disk
from regsearch.api import Pipeline, Study, load, reporting
from regsearch.histogram import Histogram
from regsearch.records import Record, Store
from regsearch.study import executors, packing
from regsearch.study.executors import Advanced, CheckpointPolicy, Event, Finished
from regsearch.study.feed import Feed
from regsearch.study.pack import Pack
from regsearch.study.stop import StopSwitch
from regsearch.study.work import Outcome, Progress
from regsearch.train.engine import Engine
from regsearch.train.loop import RunResult
from regsearch.train.pilot import Advice
from regsearch.train.task import Task

TINY: dict[str, Any] = {
    "name": "tiny",
    "search_space": {"regularizers": [{"kind": "weight_decay", "decay": [0.0, 0.01]}]},
    "dataset": {"kind": "digits", "train_size": 32},
    "model": {"kind": "mlp", "widths": [2]},
    "train": {"optimizer": {"kind": "adam", "lr": 0.01}, "epochs": 2, "batch_size": 16},
    "seeds": 2,
    "pack": 2,
    "compile": False,
    "tracking": None,
    "reports": [],
}


def write_tiny(folder: Path, **changes: Any) -> Path:
    """A pipeline file of four runs in two packs; ``changes`` replace its top-level values."""
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump({**TINY, **changes}, sort_keys=False))
    return file


def load_tiny(folder: Path, **changes: Any) -> Pipeline:
    """The pipeline of ``write_tiny``."""
    return load(write_tiny(folder, **changes))


def recorded(study: Path) -> dict[str, Record]:
    """The records of a study by run, in order of arrival."""
    with Store.open(study, read_only=True) as store:
        return {record.run: record for _, record in store.records()}


class StandIn:
    """An executor whose runs take no time; it notes each run that it trains in ``marks``."""

    workers = 1
    marks: Path

    def __init__(self, checkpoints: CheckpointPolicy, max_failures: int = 0) -> None:
        pass

    def start(self) -> None: ...

    def release(self) -> None: ...

    def close(self) -> None: ...

    def pilot(self, tasks: Sequence[Task], *ignored: object) -> Advice:
        return Advice(len(tasks), compile=False, seconds=1.0, bytes_per_run=1000)

    def run(self, feed: Feed, tell: Callable[[Event], None], switch: StopSwitch) -> None:
        while not switch.pulled() and (pack := feed.next()) is not None:
            mark(self.marks, pack)
            together = len(pack.runs)
            tell(Advanced(pack, Progress(together)))
            tell(Finished(pack, [Outcome(r.run, result(), None, together) for r in pack.runs]))


def mark(marks: Path, pack: Pack) -> None:
    """Note that the runs of ``pack`` are trained, so that a kill cannot undo it."""
    with marks.open("a") as lines:
        lines.write("".join(f"{run.run}\n" for run in pack.runs))


def marked(marks: Path) -> list[str]:
    """What was trained, once for each time."""
    return marks.read_text().split() if marks.exists() else []


def result() -> RunResult:
    """A completed run of one epoch."""
    now = "2026-03-01T12:00:00.000+00:00"
    curves = {"test_accuracy": np.array([0.5], np.float32)}
    counted = {"weights/0.weight": Histogram(-1.0, 1.0, np.array([1, 2]), 0, 0)}
    return RunResult("completed", None, 1, 0.1, now, now, {"test_accuracy": 0.5}, curves, counted)


def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a study end with a page that says nothing, for drawing takes seconds."""

    def write(study: Study) -> Path:
        page = study.folder / "report.html"
        disk.write_atomically(page, b"<html></html>")
        return page

    monkeypatch.setattr(reporting, "write", write)


def without_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let packs be as the file says, unmeasured."""

    def pilot(
        tasks: list[Task],
        workers: int,
        engine: Engine,
        most: int | None = None,
        sharing: int | None = None,
    ) -> Advice:
        return Advice(most or len(tasks), False, 1.0, 1000)

    for module in (packing, executors):
        monkeypatch.setattr(module, "pilot", pilot)
