"""What Ray's schedulers of populations make of packs: whose runs stay, and which values are new."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from regsearch.study.distributions import Choice, Integers, LogUniform, Steps, Uniform
from regsearch.study.executors import CheckpointPolicy
from regsearch.study.expand import expand
from regsearch.study.judging import COPIED, HYPER, Judging, judging
from regsearch.study.pack import Pack
from regsearch.study.sources import Sources
from regsearch.study.spec import check
from regsearch.train.engine import Engine
from regsearch.train.loop import RunResult

ray_populations = pytest.importorskip("regsearch.study.ray_populations")

SPACE = {"kind": "volumization", "v": {"loguniform": [0.1, 4]}, "alpha": [-1, 0, 0.5, 1]}


def members(kind: str, **scheduler: Any) -> tuple[Judging, list[Pack]]:
    spec = {
        "name": "population",
        "search_space": {"regularizers": [SPACE]},
        "search": {"algorithm": "sobol", "cells": 8},
        "train": {"optimizer": {"kind": "adam", "lr": 0.001}, "epochs": 9},
        "scheduler": {"type": kind, "perturbation_interval": 2} | scheduler,
    }
    pipeline = check(Sources.of(spec))
    judged = judging(pipeline, [])
    assert judged is not None
    return judged, [Pack((run,), Engine()) for run in expand(pipeline)]


class Trial:
    """As much of Ray's trial as its schedulers look at."""

    status, experiment_tag = "RUNNING", ""
    temporary_state = SimpleNamespace(saving_to=None)
    run_metadata = SimpleNamespace(
        checkpoint_manager=SimpleNamespace(checkpoint_config=SimpleNamespace(num_to_keep=None))
    )

    def __init__(self, pack: Pack) -> None:
        self.config = {"pack": pack, "checkpoints": CheckpointPolicy}
        self.trial_id = pack.name
        self.evaluated_params: dict[str, Any] = {}

    def is_finished(self) -> bool:
        return False


def report(trial: Trial, epoch: int, value: float) -> dict[str, Any]:
    hyper = {f"course.{n}": np.array([v], np.float32) for n, v in trial.config[HYPER].items()}
    result = RunResult("stopped", None, epoch, 0.1, "", "", {}, hyper)
    outcomes = [SimpleNamespace(result=result)]
    return {"epoch": epoch, "value": value, "outcomes": outcomes}


def trained(kind: str, population: str = "0f", **more: Any) -> tuple[Any, list[Trial]]:
    """A population of which each member has been judged at epochs 2 and 4."""
    judged, packs = members(kind, **more)
    scheduler = ray_populations.make_population(judged, judged.axes[0], population)
    trials = [Trial(pack) for pack in packs]
    controller = SimpleNamespace(search_alg=None, get_trials=list)
    for trial in trials:
        scheduler.on_trial_add(controller, trial)
    for epoch in (2, 4):
        for n, trial in enumerate(trials):
            told = report(trial, epoch, 0.1 * n + 0.01 * epoch)
            scheduler._save_trial_state(scheduler._trial_state[trial], epoch, told, trial)
    return scheduler, trials


@pytest.mark.parametrize("kind", ["pbt", "pb2"])
def test_a_copy_keeps_its_runs_and_gets_values_that_the_space_allows(kind: str) -> None:
    scheduler, trials = trained(kind)
    donor, seen = trials[-1], set()
    for trial in trials[:4] * 4:
        new, _ = scheduler._get_new_config(trial, donor)
        assert new["pack"] is trial.config["pack"]
        v, alpha = new[HYPER]["volumization.v"], new[HYPER]["volumization.alpha"]
        assert 0.1 <= v <= 4
        assert alpha in SPACE["alpha"] if kind == "pbt" else -1 <= alpha <= 1
        seen.add(v)
    assert len(seen) > 1


def test_members_begin_with_their_own_values_and_tell_what_they_are_trained_with() -> None:
    scheduler, trials = trained("pbt")
    for trial in trials:
        [config] = trial.config["pack"].runs[0].task.regularizers
        assert trial.config[HYPER] == {
            "volumization.v": config.v,
            "volumization.alpha": config.alpha,
        }
    told = report(trials[0], 5, 0.5)
    told["outcomes"][0].result.curves["course.volumization.alpha"] = np.array([0.5], np.float32)
    controller = SimpleNamespace(get_trials=list)
    scheduler.on_trial_result(controller, trials[0], told)
    assert trials[0].config[HYPER]["volumization.alpha"] == 0.5


@pytest.mark.parametrize(
    ("domain", "value", "next_to"),
    [
        (Uniform(0, 1), 1.2, 1),
        (LogUniform(0.1, 4), 0.08, 0.1),
        (Uniform(-1, 1), 0.25, 0.25),
        (Choice((0, 0.1, 1)), float(np.float32(0.1)), 0.1),
        (Steps(0, 1, 0.25), 0.6, 0.5),
        (Steps(0, 1, 0.25), 1.2, 1),
        (Integers(1, 8), 9.6, 8),
    ],
)
def test_the_value_next_to_another(domain: Any, value: float, next_to: float) -> None:
    assert ray_populations.nearest(domain, value) == next_to


def test_a_combination_that_a_regularizer_refuses_is_not_taken() -> None:
    judged, packs = members("pbt")
    old = {"volumization.v": 1.0, "volumization.alpha": 0.5}
    axes = [axis._replace(domain=Uniform(-9, 9)) for axis in judged.axes[0]]
    refused = {"volumization.v": -1.0, "volumization.alpha": 0.5}
    assert ray_populations.accepted(old, refused, packs[0], axes) == old
    fine = {"volumization.v": 2.0, "volumization.alpha": -0.5}
    assert ray_populations.accepted(old, fine, packs[0], axes) == fine


@pytest.mark.parametrize("kind", ["pbt", "pb2"])
def test_what_is_drawn_follows_from_the_population_and_leaves_other_draws_alone(kind: str) -> None:
    def copies(population: str, seed: int) -> list[Any]:
        scheduler, trials = trained(kind, population)
        random.seed(seed)
        np.random.seed(seed)
        expected = random.Random(seed).random(), np.random.RandomState(seed).random()
        with scheduler.draws():
            found = [scheduler._get_new_config(t, trials[-1])[0][HYPER] for t in trials[:4]]
        assert (random.random(), np.random.random()) == expected
        return found

    assert copies("0f", seed=1) == copies("0f", seed=2) != copies("10", seed=1)


def test_a_member_whose_worker_died_keeps_the_values_that_it_has_copied() -> None:
    scheduler, trials = trained("pbt")
    trial = trials[0]
    new, _ = scheduler._get_new_config(trial, trials[-1])
    trial.config = new
    scheduler.on_trial_add(SimpleNamespace(search_alg=None), trial)
    assert trial.config[HYPER] == new[HYPER]
    assert trial.config[COPIED] is True
    scheduler.on_trial_result(SimpleNamespace(get_trials=list), trial, report(trial, 5, 0.5))
    assert trial.config[COPIED] is False, "from here on it goes on from its own checkpoints"


def test_members_that_wait_for_one_that_has_ended_go_on() -> None:
    scheduler, trials = trained("pbt", synch=True)
    for trial in trials:
        trial.status = "PAUSED"
    scheduler._next_perturbation_sync = 4
    trials[2].status = "TERMINATED"
    scheduler._trial_state[trials[5]].last_train_time = 4
    controller = SimpleNamespace(get_trials=lambda: trials)
    assert scheduler.choose_trial_to_run(controller) in set(trials) - {trials[2]}
    trials[0].status = "RUNNING"
    assert scheduler.choose_trial_to_run(controller) is None, "that one is waited for"


def test_a_score_that_is_not_finite_does_not_end_the_study() -> None:
    scheduler, trials = trained("pb2")
    told = report(trials[3], 6, -np.inf)
    scheduler._save_trial_state(scheduler._trial_state[trials[3]], 6, told, trials[3])
    new, _ = scheduler._get_new_config(trials[3], trials[-1])
    assert 0.1 <= new[HYPER]["volumization.v"] <= 4
