"""Budgets of runs and GPU hours, with a clock of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from regsearch.errors import ExitCode
from regsearch.records import Record, Status
from regsearch.study import budget as budgets
from regsearch.study.budget import Budgeted
from regsearch.study.feed import Packs
from regsearch.study.pack import Pack, form_whole
from regsearch.study.settings import Budget
from regsearch.study.stop import StopSwitch
from regsearch.study.trials import by_trial
from regsearch.train.engine import Engine
from tests.tiny import load_tiny


@pytest.fixture
def packs(tmp_path: Path) -> list[Pack]:
    """Three packs of two runs."""
    runs = load_tiny(tmp_path, seeds=3).expand()
    return [Pack(tuple(runs[at : at + 2]), Engine()) for at in (0, 2, 4)]


def within(packs: list[Pack], whole: bool = False, workers: int = 2, **limits: Any) -> Budgeted:
    return Budgeted(Packs(packs), Budget(**limits), gpus=0.5, workers=workers, whole=whole)


def handed_out(feed: Budgeted) -> list[int]:
    sizes = []
    while (pack := feed.next()) is not None:
        sizes.append(len(pack.runs))
    return sizes


@pytest.mark.parametrize(
    ("runs", "whole", "sizes", "early"),
    [
        (None, False, [2, 2, 2], False),
        (6, False, [2, 2, 2], False),
        (5, False, [2, 2, 1], True),
        (2, False, [2], True),
        (1, False, [1], True),
        (3, True, [2, 2], True),
        (9, False, [2, 2, 2], False),
    ],
)
def test_as_many_runs_are_handed_out_as_the_budget_has(
    packs: list[Pack], runs: int | None, whole: bool, sizes: list[int], early: bool
) -> None:
    feed = within(packs, whole, runs=runs)
    assert handed_out(feed) == sizes
    assert feed.done
    assert feed.ended_early() is early


def record(run: str) -> Record:
    return Record(run, "c", Status.COMPLETED, None, {}, 1, 1.0, "", "", {}, {}, {})


def test_gpu_hours_are_those_of_packs_in_training(
    packs: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(budgets.time, "monotonic", lambda: now)
    feed = within(packs, gpu_hours=2.0)
    now = 3600.0  # an hour in which nothing is trained
    first, _, _ = feed.next(), feed.next(), feed.next()
    assert first is not None
    now += 3600  # two of them at a time on half a GPU each: one GPU hour
    assert not feed.gpus_used_up()
    feed.hear([record(first.runs[0].run)])
    now += 1800
    feed.hear([record(first.runs[1].run)])  # 1.5 hours
    now += 1800
    assert not feed.gpus_used_up()
    now += 1
    assert feed.gpus_used_up()
    switch = StopSwitch()
    assert not switch.pulled()
    switch.watch(feed.gpus_used_up)
    assert switch.pulled()
    assert switch.code is ExitCode.BUDGET


def test_under_a_scheduler_each_trial_is_a_pack(tmp_path: Path) -> None:
    noise = {"dataset.label_noise": [0.0, 0.4], "train.batch_size": [8, 16]}
    train = {"optimizer": {"kind": "adam", "lr": 0.01}, "epochs": 2}
    runs = load_tiny(tmp_path, factors=noise, train=train).expand()
    structures: list[str] = []

    def choose(structure: str, runs: Any) -> tuple[int, Engine]:
        structures.append(structure)
        return 1, Engine(threads=len(structures))

    packs = form_whole(by_trial(runs, ["dataset.label_noise"]), choose)
    assert len(structures) == len(set(structures)) == 2
    assert len(packs) == 2 * 2  # decays by batch sizes
    for pack in packs:
        assert {run.factors["dataset.label_noise"] for run in pack.runs} == {0.0, 0.4}
        assert len({run.task.train.batch_size for run in pack.runs}) == 1
        assert len(pack.runs) == 2 * 2
        expected = 1 if pack.runs[0].task.train.batch_size == 8 else 2
        assert pack.engine.threads == expected
