"""What the records of a trial come to, by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from regsearch.records import Record, Status
from regsearch.study.expand import trials_of
from regsearch.study.search import Goals
from regsearch.study.trials import answer, by_trial
from tests.tiny import load_tiny

GOALS: Goals = {"test_accuracy": "maximize", "test_loss": "minimize"}
FACTORS = {"dataset.label_noise": [0.0, 0.4], "train.optimizer.lr": [0.01, 0.1]}
TRAIN = {"optimizer": {"kind": "adam"}, "epochs": 2, "batch_size": 16}


def record(status: Status, accuracy: list[float], loss: list[float]) -> Record:
    curves = {
        "test_accuracy": np.array(accuracy, np.float32),
        "test_loss": np.array(loss, np.float32),
    }
    return Record("r", "c", status, None, {}, len(accuracy), 1.0, "", "", {}, curves, {})


DONE = record(Status.COMPLETED, [0.5, 0.25], [1.0, 3.0])
BETTER = record(Status.COMPLETED, [0.5, 0.75], [1.0, 0.5])
STOPPED = record(Status.STOPPED, [0.125], [4.0])
LOST = record(Status.DIVERGED, [math.nan], [math.nan])
FAILED = record(Status.FAILED, [], [])


@pytest.mark.parametrize(
    ("at", "values"),
    [
        ("last", (0.5, 1.75)),
        ("best", (0.625, 0.75)),
        ("epoch:1", (0.5, 1.0)),
        ("area", (0.5, 1.375)),
    ],
)
def test_a_cell_is_judged_by_the_mean_over_its_runs(at: str, values: tuple[float, ...]) -> None:
    found = answer([DONE, BETTER], GOALS, at)
    assert found.ended == "completed"
    assert found.values == pytest.approx(values)


def test_a_diverged_run_makes_its_cell_the_worst() -> None:
    assert answer([BETTER, LOST], GOALS, "last").values == (-math.inf, math.inf)
    assert answer([BETTER, LOST, STOPPED], GOALS, "last").ended == "completed"


def test_a_cell_that_a_scheduler_stopped_has_its_mean_path_but_no_value() -> None:
    found = answer([DONE, STOPPED], GOALS, "last")
    assert (found.ended, found.values, found.path) == ("stopped", (), (0.3125,))


def test_a_failed_run_or_an_objective_not_measured_fails_the_cell() -> None:
    assert answer([DONE, FAILED, LOST], GOALS, "last").ended == "failed"
    assert answer([DONE], {"weight_norm": "minimize"}, "last").ended == "failed"


def test_runs_of_one_trial_are_found_by_their_tasks(tmp_path: Path) -> None:
    search = {"algorithm": "optuna", "cells": 3, "aggregate": ["dataset.label_noise"]}
    space = {"regularizers": [{"kind": "weight_decay", "decay": {"uniform": [0, 1]}}]}
    pipeline = load_tiny(
        tmp_path, search_space=space, search=search, factors=FACTORS, train=TRAIN, seeds=3
    )
    wider = load_tiny(tmp_path, factors=FACTORS, train=TRAIN, seeds=4)
    trials = trials_of(pipeline.spec)
    assert trials.names("tiny") == ["tiny train.optimizer.lr=0.01", "tiny train.optimizer.lr=0.1"]
    runs = wider.expand()  # decays 0 and 0.01, each under four combinations of levels
    found = {run.run: trials.find(run.task.content()) for run in runs}
    assert {run for run, trial in found.items() if trial is None} == {
        run.run for run in runs if run.task.seed == 3
    }
    groups = {trial.key: {run.run for run in trial.runs} for trial in found.values() if trial}
    assert len(groups) == 4
    kept = [run for run in runs if run.task.seed < 3]
    expected = by_trial(kept, ["dataset.label_noise"])
    assert {frozenset(group) for group in groups.values()} == {
        frozenset(run.run for run in group) for group in expected
    }
    for group in expected:
        assert len(group) == 3 * 2
        assert len({run.task.train.optimizer.model_dump_json() for run in group}) == 1
        assert {run.factors["dataset.label_noise"] for run in group} == {0.0, 0.4}


def test_levels_that_make_the_same_runs_make_one_trial(tmp_path: Path) -> None:
    adam = {"kind": "adam", "lr": 0.01}
    factors = {"train.optimizer": [adam, adam | {"betas": [0.9, 0.999]}, adam | {"lr": 0.1}]}
    train = {"epochs": 2, "batch_size": 16}
    search = {"algorithm": "optuna", "cells": 3}
    trials = trials_of(load_tiny(tmp_path, search=search, factors=factors, train=train).spec)
    assert len(trials.combinations) == 2
    runs = load_tiny(tmp_path, factors=factors, train=train).expand()
    for run in runs:
        trial = trials.find(run.task.content())
        assert trial is not None
        assert sorted(r.task.seed for r in trial.runs) == [0, 1], "each run once"


def test_a_task_of_another_study_is_no_trial(tmp_path: Path) -> None:
    search = {"algorithm": "optuna", "cells": 3}
    pipeline = load_tiny(tmp_path, search=search)
    trials = trials_of(pipeline.spec)
    [run, *_] = load_tiny(tmp_path).expand()
    content = run.task.content()
    assert trials.find(content) is not None
    assert trials.find(content | {"train": content["train"] | {"epochs": 3}}) is None
    assert trials.find(content | {"regularizers": [{"kind": "none"}]}) is None
