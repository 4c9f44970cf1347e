"""Optuna's samplers by ask and tell, on functions whose best point is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from regsearch.study.distributions import read_distribution
from regsearch.study.search import ALGORITHMS, Answer, Candidate, Goals, Learned, Scope, Strategy
from regsearch.study.search.optuna_copy import NAME
from regsearch.study.search.optuna_parameters import law
from regsearch.study.search.space import Setting, Space
from tests.spaces import DECAY, NONE, PLANE, SMALL, space_of

UP: Goals = {"test_accuracy": "maximize"}


def strategy(
    space: Space, goals: Goals = UP, folder: Path | None = None, **config: Any
) -> Strategy:
    algorithm = ALGORITHMS["optuna"]
    assert isinstance(algorithm, Learned)
    read = algorithm.config.model_validate({"algorithm": "optuna", **config})
    assert not list(algorithm.misfits(space, read))
    return algorithm.strategy(Scope(space, goals, folder=folder), read)


def sampler(kind: str, **arguments: Any) -> dict[str, Any]:
    return {"kind": kind, **arguments}


def hill(setting: Setting) -> float:
    """At most 0, at v = 1.3 and alpha = 0.2 of volumization; without it -3."""
    config: Any = setting.regularizers[0]
    if config.kind != "volumization":
        return -3.0
    return -((config.v - 1.3) ** 2) - (config.alpha - 0.2) ** 2


def completed(*values: float) -> Answer:
    return Answer("completed", values)


def climb(
    asking: Strategy, value: Callable[[Setting], float] = hill, batch: int = 1
) -> Iterator[tuple[Setting, float]]:
    """Ask and tell until nothing is asked."""
    while asked := asking.ask(batch):
        for candidate in asked:
            yield candidate.setting, value(candidate.setting)
            asking.tell(candidate, completed(value(candidate.setting)))
    assert asking.done


def best(asking: Strategy) -> float:
    return max(value for _, value in climb(asking))


def test_tpe_and_cmaes_find_the_top_closer_than_chance_does() -> None:
    space = space_of(PLANE)
    found = {}
    for kind in ("random", "tpe", "cmaes"):
        asking = [strategy(space, cells=30, seed=s, sampler=sampler(kind)) for s in range(3)]
        found[kind] = np.mean([best(each) for each in asking])
    assert found["tpe"] > found["random"] / 2
    assert found["cmaes"] > found["random"] / 2


def test_a_gaussian_process_needs_few_cells() -> None:
    asking = strategy(space_of(PLANE), cells=11, sampler=sampler("gp", n_startup_trials=8))
    assert best(asking) > -0.01


@pytest.mark.parametrize(
    "chosen",
    [
        sampler("tpe", n_startup_trials=4),
        sampler("nsgaii", population_size=4),
        sampler("nsgaiii", population_size=4),
        sampler("random"),
        sampler("qmc", scramble=True),
    ],
    ids=lambda chosen: chosen["kind"],
)
def test_a_restart_goes_on_as_if_there_had_been_none(chosen: dict[str, Any]) -> None:
    space = space_of(PLANE, DECAY, NONE)
    whole = list(climb(strategy(space, cells=14, sampler=chosen)))
    assert len({setting.key for setting, _ in whole}) == 14
    again = strategy(space, cells=14, sampler=chosen)
    for setting, value in whole[:9]:
        again.tell(Candidate(setting), completed(value))
    expected = whole[9:] if chosen["kind"] not in ("nsgaii", "nsgaiii", "qmc") else []
    rest = list(climb(again))
    assert len(rest) == 5
    assert rest[: len(expected)] == expected
    assert not {setting.key for setting, _ in rest} & {setting.key for setting, _ in whole[:9]}


@pytest.mark.parametrize("kind", ["tpe", "cmaes", "qmc", "brute_force", "nsgaii", "random"])
def test_a_discrete_space_is_asked_once_for_each_point_and_then_ends(kind: str) -> None:
    space = space_of(SMALL, NONE)
    asked = [s.key for s, _ in climb(strategy(space, cells=1000, sampler=sampler(kind)), batch=3)]
    assert len(asked) == len(set(asked)) == space.size == 10


def test_optunas_grid_is_asked_once_for_each_point() -> None:
    space = space_of(SMALL)
    asked = [s.key for s, _ in climb(strategy(space, cells=1000, sampler=sampler("grid")))]
    assert len(asked) == len(set(asked)) == 9


def test_start_points_come_first_and_count() -> None:
    start = [{"kind": "none"}, {"kind": "volumization", "v": 1.25, "alpha": 0.5}]
    asking = strategy(space_of(PLANE, NONE), cells=4, start=start)
    first = [candidate.setting.content[0] for candidate in asking.ask(2)]
    assert first[0] == {"kind": "none"}
    assert (first[1]["v"], first[1]["alpha"]) == (1.25, 0.5)
    assert len(asking.ask(9)) == 2
    assert asking.done


def test_a_start_point_that_is_recorded_is_not_asked() -> None:
    space, start = space_of(PLANE, NONE), [{"kind": "none"}]
    asking = strategy(space, cells=3, start=start)
    asking.tell(Candidate(space.settle(space.place(start[0]))), completed(0.5))
    assert [c.setting.regularizers[0].kind for c in asking.ask(2)] != ["none", "none"]
    assert asking.done


def test_what_was_in_training_counts_as_asked_and_is_told_later() -> None:
    space = space_of(PLANE)
    begun = Candidate(space.settle(space.place({"kind": "volumization", "v": 1, "alpha": 0})))
    asking = strategy(space, cells=3)
    asking.take_up(begun)
    others = asking.ask(5)
    assert len(others) == 2
    assert asking.done
    assert not asking.knows(begun)
    asking.tell(begun, completed(0.5))
    assert asking.knows(begun)


@pytest.mark.parametrize(
    ("chosen", "nearer"), [(sampler("nsgaii", population_size=10), 0.8), (sampler("tpe"), 0.5)]
)
def test_two_objectives_come_near_their_front(chosen: dict[str, Any], nearer: float) -> None:
    """The front lies between the tops of both, at v from 1 to 2 and alpha = 0."""
    goals: Goals = {"test_accuracy": "maximize", "weight_norm": "minimize"}
    asking = strategy(space_of(PLANE), goals, cells=80, sampler=chosen)
    far = []
    while asked := asking.ask(1):
        config: Any = asked[0].setting.regularizers[0]
        high = -((config.v - 1) ** 2) - config.alpha**2
        low = (config.v - 2) ** 2 + config.alpha**2
        far.append(abs(config.alpha) + max(0, 1 - config.v, config.v - 2))
        asking.tell(asked[0], completed(high, low))
    assert np.mean(far[-20:]) < nearer * np.mean(far[:20])


def test_a_copy_is_kept_that_optuna_opens_and_a_torn_one_is_written_anew(tmp_path: Path) -> None:
    space = space_of(PLANE, NONE)
    asking = strategy(space, folder=tmp_path, cells=9)
    told = dict[str, float]()
    worst = -math.inf
    for number, (setting, value) in enumerate(climb(asking, hill)):
        told[setting.key] = value
        assert number < 9
    lost = strategy(space, folder=tmp_path, cells=99)
    for number, setting in enumerate([space.settle(p) for p in space.examples()]):
        ended = ("completed", "stopped", "failed")[number % 3]
        answers = {
            "completed": completed(worst),
            "stopped": Answer("stopped", path=(0.1, 0.3)),
            "failed": Answer("failed"),
        }
        lost.tell(Candidate(setting), answers[ended])
    [copied] = opened(tmp_path)
    assert copied.direction is optuna.study.StudyDirection.MAXIMIZE
    states = [trial.state.name for trial in copied.trials]
    assert states == [("COMPLETE", "PRUNED", "FAIL")[n % 3] for n in range(len(states))]
    assert {t.value for t in copied.trials if t.state.name == "COMPLETE"} == {worst}
    assert copied.trials[1].intermediate_values == {1: 0.1, 2: 0.3}
    with (tmp_path / NAME).open("ab") as journal:
        journal.write(b'{"op_code":4,"wor')
    list(climb(strategy(space, folder=tmp_path, cells=9)))
    [copied] = opened(tmp_path)
    assert {trial.value for trial in copied.trials} == set(told.values())


def opened(folder: Path) -> list[optuna.Study]:
    storage = JournalStorage(JournalFileBackend(str(folder / NAME)))
    names = [summary.study_name for summary in optuna.get_all_study_summaries(storage)]
    return [optuna.load_study(study_name=name, storage=storage) for name in names]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"uniform": [-1, 2]}, FloatDistribution(-1, 2)),
        ({"loguniform": [1e-4, 1]}, FloatDistribution(1e-4, 1, log=True)),
        ({"quniform": [0, 1, 0.25]}, FloatDistribution(0, 1, step=0.25)),
        ({"randint": [1, 5]}, IntDistribution(1, 4)),
        ({"choice": ["a", None, True]}, CategoricalDistribution(["a", None, True])),
        ({"choice": [[64], [32, 32]]}, CategoricalDistribution(["[64]", "[32, 32]"])),
    ],
)
def test_domains_in_optunas_terms(written: dict[str, Any], expected: Any) -> None:
    domain = read_distribution(written)
    assert domain is not None
    assert law(domain) == expected


@pytest.mark.parametrize(
    ("config", "where", "told"),
    [
        ({"sampler": sampler("brute_force")}, ("sampler",), "uniform and loguniform have no end"),
        ({"sampler": sampler("grid")}, ("sampler",), "one entry of the search space"),
        ({"objectives": {}}, ("objectives",), "names no quantity"),
    ],
)
def test_what_a_space_does_not_allow(
    config: dict[str, Any], where: tuple[str, ...], told: str
) -> None:
    algorithm = ALGORITHMS["optuna"]
    read = algorithm.config.model_validate({"algorithm": "optuna", "cells": 3, **config})
    misfits = list(algorithm.misfits(space_of(PLANE, NONE), read))
    assert any(place == where and told in text for place, text in misfits), misfits
