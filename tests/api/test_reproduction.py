"""Is a run that is trained again the same? Judged by hand-made curves, and once for real."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regsearch.api import load, run
from regsearch.api.reproduction import compare
from regsearch.records import Record, Status
from tests.recorded import write_study
from tests.samples import float32, sample_record
from tests.tiny import load_tiny, without_pilot, without_report

NAN, INF = float("nan"), float("inf")


def record(loss: list[float], **changes: Any) -> Record:
    return sample_record(0, epochs=len(loss), **{"curves": {"loss": float32(loss)}, **changes})


VERDICTS = [
    (record([1, 2]), record([1, 2]), "identical, bit for bit"),
    (record([1, INF, NAN]), record([1, INF, NAN]), "identical, bit for bit"),
    (record([1, 2]), record([1, 2.5]), "any curve: 0.5 (recorded in a pack of 16 runs"),
    (record([1, 2]), record([1, NAN]), "any curve: inf"),
    (record([NAN, NAN, 1]), record([NAN, NAN, 3]), "any curve: 2 "),
    (record([INF, 1]), record([INF, 2]), "any curve: 1 (recorded"),
    (record([1, 2]), record([1, 2, 3]), "differs: 2 epochs then, 3 now"),
    (record([1, 2]), record([1, 2], curves={}), "differs: measured loss then,  now"),
    (
        record([1, 2]),
        record([], status=Status.FAILED, reason="out of memory", curves={}),
        "differs: completed then, failed now (out of memory)",
    ),
    (record([1, 2]), record([1], status=Status.DIVERGED), "differs: completed then, diverged now"),
]


@pytest.mark.parametrize(("then", "now", "told"), VERDICTS)
def test_the_first_difference_is_told(then: Record, now: Record, told: str) -> None:
    assert told in compare(then, now)


def test_a_difference_smaller_than_any_other_is_one() -> None:
    ulp = float(np.nextafter(np.float32(1), np.float32(2)))
    assert "any curve: 1.2e-07" in compare(record([1]), record([ulp]))


def test_a_failed_run_is_not_trained_again(tmp_path: Path) -> None:
    failure = {"status": Status.FAILED, "reason": "out of memory", "metrics": {}, "curves": {}}
    study = write_study(tmp_path, lambda run: failure)
    told = study.reproduce(study.records["run"][0]).check()
    assert told.startswith("This run failed: out of memory. There is nothing to compare; ")


def test_the_command_trains_exactly_that_run_and_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    monkeypatch.chdir(tmp_path)
    pipeline = load_tiny(tmp_path, pack=1, factors={"dataset.label_noise": [0.0, 0.4]}, seeds=[7])
    study = pipeline.run(tmp_path / "study", in_process=True)
    wanted = study.records["run"][2]
    reproduction = study.reproduce(wanted[:8])
    words = shlex.split(reproduction.command)
    assert words[:4] == ["regsearch", "run", "study/resolved.yaml", "--in-process"]
    alone = load(words[2], words[5::2])
    assert [planned.run for planned in alone.expand()] == [wanted]
    assert reproduction.check().endswith("identical, bit for bit")
    assert run(alone, tmp_path / "alone", in_process=True) == 0
