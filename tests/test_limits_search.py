"""Budgets, limits and diverging runs, under schedulers and a search that learns, on Ray."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regsearch.api import open_study
from regsearch.errors import ExitCode
from regsearch.records import Status
from tests.invariants import check_invariants
from tests.subjects import ASHA, STUDY, TPE, Subject

pytestmark = [pytest.mark.slow, pytest.mark.ray]


LONG_ASHA = ASHA | {"train": STUDY["train"] | {"epochs": 300}}
"""The cells that ASHA lets go on take longer than the second start is allowed."""


@pytest.mark.parametrize("search", [LONG_ASHA, TPE], ids=["asha", "tpe"])
def test_budgets_and_limits_hold_in_every_start(
    search: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = {**search.get("search", {"algorithm": "grid"}), "max_concurrent_trials": 1}
    with Subject(tmp_path, **search | {"search": limited}) as subject:
        began = time.monotonic()
        subject.start("-o", "budget.runs=4")
        subject.wait_for(subject.trained)
        seconds = time.monotonic() - began  # enough for a start, and not for six cells
        assert subject.end() == ExitCode.BUDGET, subject.told
        kept = check_invariants(subject.study, subject.planned().keys(), exit_code=7)
        assert len(kept) == 4
        began = time.monotonic()
        subject.start("-o", f"budget.time_budget_s={seconds:.1f}")
        assert subject.end() == ExitCode.BUDGET, subject.told
        late = time.monotonic() - began - seconds
        planned = subject.planned().keys()
        kept = check_invariants(subject.study, planned, acknowledged=kept, exit_code=7)
        subject.start("-o", "resources_per_trial.cpu=1.5", "-o", "search.max_concurrent_trials=4")
        assert subject.end() == ExitCode.DONE, subject.told
        check_invariants(subject.study, subject.planned().keys(), acknowledged=kept, exit_code=0)
        assert subject.most_at_once() == 2, "one pack of two runs at a time, always"
        account = subject.account()
    with capsys.disabled():
        sys.stdout.write(f"\n{seconds:.0f} s allowed, {late:.0f} s later at its end; {account}\n")
    assert str(account) == "16 runs finished, 0 lost, 0 trained twice, 0 wrong"


SICK = {1000.0, 20.0, 12.0, 8.0}
"""Decays with which, at a rate of 0.5, weights grow at each step, to overflow in 1 to 5 epochs."""

SCHEDULERS: list[dict[str, Any]] = [
    {"type": "async_hyperband", "grace_period": 6},
    {"type": "hyperband"},
    {"type": "median_stopping_rule", "grace_period": 6},
]


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=[each["type"] for each in SCHEDULERS])
def test_a_run_that_diverges_is_stopped_within_the_epoch_and_never_ranked(
    scheduler: dict[str, Any], tmp_path: Path
) -> None:
    decays = [12.0, 0.0, 1000.0, 0.001, 8.0, 0.01, 20.0, 0.003]
    changes = {
        "search_space": {"regularizers": [{"kind": "weight_decay", "decay": decays}]},
        "train": {"optimizer": {"kind": "sgd", "lr": 0.5}, "epochs": 12, "batch_size": 32},
        "scheduler": scheduler,
    }
    with Subject(tmp_path, **STUDY | changes) as subject:
        subject.start()
        assert subject.end() == ExitCode.DONE, subject.told
        account, records = subject.account(), subject.records()
    assert str(account) == "16 runs finished, 0 lost, 0 trained twice, 0 wrong"
    diverged = [record for record in records.values() if record.status is Status.DIVERGED]
    assert {decay(record.task) for record in diverged} <= SICK
    assert Status.COMPLETED not in {r.status for r in records.values() if decay(r.task) in SICK}
    assert sum(decay(record.task) == 1000.0 for record in diverged) == 2
    for record in diverged:
        loss = record.curves["train_loss"]
        assert np.isfinite(loss[:-1]).all()
        assert np.isnan(loss[-1])
    front = open_study(subject.study).pareto({"test_accuracy": "maximize"})
    assert len(front)
    assert SICK.isdisjoint(front["weight_decay.decay"])


def decay(task: dict[str, Any]) -> float:
    return float(task["regularizers"][0]["decay"])
