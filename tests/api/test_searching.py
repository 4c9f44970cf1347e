"""Searches that learn, through the one operation: start, go on, extend; nothing trained twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regsearch.api import open_study, run, running, validate
from regsearch.errors import ExitCode, PolicyError, RegsearchError, SpecError
from regsearch.records import Status, Store
from regsearch.study.executors import Advanced, Event, Failed, Finished, InProcessExecutor
from regsearch.study.feed import Feed
from regsearch.study.stop import StopSwitch
from regsearch.study.work import Outcome, Progress
from regsearch.train.loop import RunResult
from regsearch.train.task import Task
from tests.invariants import check_invariants
from tests.tiny import (
    StandIn,
    load_tiny,
    mark,
    marked,
    recorded,
    result,
    without_pilot,
    without_report,
    write_tiny,
)

SPACE = {
    "regularizers": [
        {"kind": "volumization", "v": {"uniform": [0, 4]}, "alpha": {"uniform": [-1, 1]}},
        {"kind": "none"},
    ]
}
TPE = {"algorithm": "optuna", "cells": 10, "sampler": {"kind": "tpe", "n_startup_trials": 4}}
SEARCH = {"search_space": SPACE, "search": TPE, "pack": "auto"}


def height(task: Task) -> float:
    """Highest at v = 1, alpha = 0 of volumization; seeds differ by a little."""
    config: Any = task.regularizers[0]
    at = -((config.v - 1) ** 2) - config.alpha**2 if config.kind == "volumization" else -2.0
    return at + 0.01 * task.seed


class Hill(StandIn):
    """Runs take no time and come out by their setting; stopped after ``stop_after`` packs."""

    stop_after = 10_000
    fail = False

    def run(self, feed: Feed, tell: Callable[[Event], None], switch: StopSwitch) -> None:
        packs = 0
        while not switch.pulled() and (pack := feed.next()) is not None:
            if packs == self.stop_after:
                switch.pull(ExitCode.INTERRUPTED)
                return
            packs += 1
            mark(self.marks, pack)
            tell(Advanced(pack, Progress(len(pack.runs))))
            if self.fail and packs == 2:
                tell(Failed(pack, "MemoryError: no"))
                continue
            outcomes = [Outcome(r.run, came_out(r.task), None, len(pack.runs)) for r in pack.runs]
            tell(Finished(pack, outcomes))


def came_out(task: Task) -> RunResult:
    now, value = result(), height(task)
    curves = {"test_accuracy": np.array([value], np.float32)}
    return RunResult(
        "completed", None, 1, 0.1, now.started, now.finished, {"test_accuracy": value}, curves
    )


@pytest.fixture(autouse=True)
def hill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    monkeypatch.setattr(running, "InProcessExecutor", Hill)
    monkeypatch.setattr(Hill, "marks", tmp_path / "marks", raising=False)


def train(folder: Path, code: ExitCode = ExitCode.DONE, **changes: Any) -> list[str]:
    """Run the study; gives the runs that were trained. No run is ever trained twice."""
    before = len(marked(Hill.marks))
    assert run(load_tiny(folder, **SEARCH | changes), folder / "study", in_process=True) is code
    every = marked(Hill.marks)
    assert len(every) == len(set(every))
    found = recorded(folder / "study")
    check_invariants(folder / "study", set(found), exit_code=None)
    return every[before:]


def settings(folder: Path) -> list[str]:
    """What was tried, in order of arrival."""
    records = recorded(folder / "study").values()
    return list(dict.fromkeys(str(record.task["regularizers"]) for record in records))


def test_a_search_ends_with_as_many_cells_as_asked_and_then_there_is_nothing_to_do(
    tmp_path: Path,
) -> None:
    assert len(train(tmp_path)) == 10 * 2
    assert len(settings(tmp_path)) == 10
    assert train(tmp_path) == []
    status = open_study(tmp_path / "study").status()
    assert (status["planned"], status["completed"], status["missing"]) == (20, 20, 0)
    assert status["search"] == "optuna, up to 20 runs"


def test_what_comes_out_decides_what_is_asked(tmp_path: Path) -> None:
    train(tmp_path, search=TPE | {"cells": 30}, seeds=1)
    heights = [float(r.curves["test_accuracy"][0]) for r in recorded(tmp_path / "study").values()]
    assert np.mean(heights[-10:]) > np.mean(heights[:8]) / 2


@pytest.mark.parametrize(
    ("extension", "new"),
    [
        ({"search": TPE | {"cells": 13}}, 3 * 2),
        ({"seeds": 3}, 10),
        ({"seeds": [1, 7]}, 10),
        ({"search": TPE | {"cells": 5}}, 0),
        ({"seeds": 3, "search": TPE | {"cells": 12}}, 10 + 2 * 3),
    ],
)
def test_an_extension_trains_what_is_missing(
    tmp_path: Path, extension: dict[str, Any], new: int
) -> None:
    train(tmp_path)
    before = settings(tmp_path)
    grown = load_tiny(tmp_path, **SEARCH | extension)
    plan = grown.plan(tmp_path / "study").to_dict()
    assert plan["recorded"] + new >= plan["at_most"] or "cells" in str(extension)
    assert len(train(tmp_path, **extension)) == new
    assert settings(tmp_path)[:10] == before
    assert train(tmp_path, **extension) == []


@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    train(whole, search=TPE | {"batch": 2})
    Hill.marks.unlink()
    monkeypatch.setattr(Hill, "stop_after", after)
    first = train(tmp_path, ExitCode.INTERRUPTED, search=TPE | {"batch": 2})
    assert first
    monkeypatch.setattr(Hill, "stop_after", 10_000)
    second = train(tmp_path, search=TPE | {"batch": 2})
    assert len(first) + len(second) == 20
    assert settings(tmp_path) == settings(whole)
    assert recorded(tmp_path / "study").keys() == recorded(whole / "study").keys()


def test_what_was_in_training_is_trained_first_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hill, "stop_after", 0)
    train(tmp_path, ExitCode.INTERRUPTED, search=TPE | {"seed": 1})
    with Store.open(tmp_path / "study", read_only=True) as store:
        noted = [str(task["regularizers"]) for task in store.facts()["asked"]]
    assert len(noted) == 4
    monkeypatch.setattr(Hill, "stop_after", 2)  # two entries, so two packs
    train(tmp_path, ExitCode.INTERRUPTED, search=TPE | {"seed": 2})
    assert set(settings(tmp_path)) == set(noted)


def test_each_combination_of_levels_is_searched_by_itself(tmp_path: Path) -> None:
    noise = {"factors": {"dataset.label_noise": [0.0, 0.4]}}
    assert len(train(tmp_path, **noise)) == 2 * 20
    assert len(train(tmp_path, factors={"dataset.label_noise": [0.0, 0.4, 0.8]})) == 20
    Hill.marks.unlink()
    aggregated = tmp_path / "aggregated"
    aggregated.mkdir()
    trained = train(aggregated, **noise, search=TPE | {"aggregate": ["dataset.label_noise"]})
    assert len(trained) == 2 * 20
    per_setting: dict[str, int] = {}
    for record in recorded(aggregated / "study").values():
        name = str(record.task["regularizers"])
        per_setting[name] = per_setting.get(name, 0) + 1
    assert set(per_setting.values()) == {4}


@pytest.mark.parametrize("search", [TPE, {"algorithm": "sobol", "cells": 10}])
def test_a_budget_of_runs_is_met_exactly_and_the_next_start_goes_on(
    tmp_path: Path, search: dict[str, Any]
) -> None:
    budget = {"runs": 7}
    counts = [len(train(tmp_path, ExitCode.BUDGET, search=search, budget=budget)) for _ in "ab"]
    assert counts == [7, 7]
    assert len(train(tmp_path, search=search, budget=budget)) == 6


def test_failed_runs_are_answers_until_they_are_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hill, "fail", True)
    train(tmp_path, ExitCode.FAILED, search=TPE | {"batch": 1}, seeds=1)
    monkeypatch.setattr(Hill, "fail", False)
    assert train(tmp_path, ExitCode.FAILED, search=TPE | {"batch": 1}, seeds=1) == []
    before = settings(tmp_path)
    Hill.marks.unlink()
    pipeline = load_tiny(tmp_path, **SEARCH | {"search": TPE | {"batch": 1}, "seeds": 1})
    code = run(pipeline, tmp_path / "study", in_process=True, retry_failed=True)
    assert code is ExitCode.DONE
    assert len(marked(Hill.marks)) == 1
    assert set(settings(tmp_path)) == set(before)


def test_runs_of_another_study_of_the_same_task_are_told_first(tmp_path: Path) -> None:
    """A grid of the same cells counts as cells of the search, and is not trained again."""
    grid = {"regularizers": [{"kind": "volumization", "v": [0.5, 1.5], "alpha": [0.0, 0.5]}]}
    train(tmp_path, search_space=grid, search={"algorithm": "grid"})
    assert len(train(tmp_path)) == (10 - 4) * 2
    assert open_study(tmp_path / "study").status()["completed"] == 20


def test_runs_that_a_scheduler_stopped_are_trained_on_once_it_is_taken_away(
    tmp_path: Path,
) -> None:
    train(tmp_path)
    with Store.open(tmp_path / "study") as store:
        kept = [record for _, record in store.records()]
        store.remove(Status.COMPLETED)
        cut = [replace(record, status=Status.STOPPED) for record in kept[:4]]
        store.add([*cut, *kept[4:]])
    Hill.marks.unlink()
    assert sorted(train(tmp_path)) == sorted(record.run for record in kept[:4])


def test_a_run_that_a_scheduler_stopped_is_reproduced_as_far_as_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "InProcessExecutor", InProcessExecutor)
    run(load_tiny(tmp_path, pack="off", seeds=1), tmp_path / "study", in_process=True)
    with Store.open(tmp_path / "study") as store:
        whole = next(record for _, record in store.records())
        first = {name: curve[:1] for name, curve in whole.curves.items()}
        cut = replace(whole, status=Status.STOPPED, epochs=1, curves=first)
        store.remove(Status.COMPLETED)
        store.add([cut])
    told = open_study(tmp_path / "study").reproduce(whole.run).check()
    assert told.splitlines()[-1] == "identical, bit for bit"


def test_a_scheduler_needs_ray(tmp_path: Path) -> None:
    pipeline = load_tiny(tmp_path, scheduler={"type": "async_hyperband"})
    with pytest.raises(RegsearchError, match="async_hyperband is Ray Tune's, which --in-process"):
        run(pipeline, tmp_path / "study", in_process=True)
    assert not (tmp_path / "study").exists()


def test_a_scheduler_needs_runs_that_one_pack_can_hold(tmp_path: Path) -> None:
    changes = {
        "scheduler": {"type": "async_hyperband"},
        "search": TPE | {"aggregate": ["train.batch_size"]},
        "factors": {"train.batch_size": [8, 16]},
        "train": {"optimizer": {"kind": "adam"}, "epochs": 2},
    }
    with pytest.raises(SpecError, match=r"search\.aggregate: a cell is trained as one pack under"):
        load_tiny(tmp_path, **SEARCH | changes).examples()
    alone = changes | {"search": TPE}
    load_tiny(tmp_path, **SEARCH | alone).examples()


def test_a_map_of_cells_that_a_scheduler_stops_must_be_asked_for_by_name(tmp_path: Path) -> None:
    changes = {
        "scheduler": {"type": "async_hyperband"},
        "reports": [{"kind": "phase_diagram", "x": "v", "y": "alpha"}],
    }
    with pytest.raises(SpecError, match=r"the map would be biased: .*early_stopped: allow"):
        load_tiny(tmp_path, **SEARCH | changes)
    allowed = [changes["reports"][0] | {"early_stopped": "allow"}]
    load_tiny(tmp_path, **SEARCH | changes | {"reports": allowed})


def test_what_a_search_amounts_to_is_said_as_at_most(tmp_path: Path) -> None:
    noise = {"factors": {"dataset.label_noise": [0.0, 0.4]}}
    assert validate(write_tiny(tmp_path, **SEARCH | noise)) == "up to 20 cells, 40 runs"
    told = "\n".join(load_tiny(tmp_path, **SEARCH | noise).plan(tmp_path / "study").lines())
    assert "cells      up to 20, chosen from what comes out" in told
    assert "runs       up to 40, 0 recorded, up to 40 to train" in told
    few = {"regularizers": [{"kind": "weight_decay", "decay": [0.1, 0.2]}, {"kind": "none"}]}
    assert validate(write_tiny(tmp_path, **SEARCH | {"search_space": few})) == (
        "up to 3 cells, 6 runs"
    )
    with pytest.raises(PolicyError, match="asks for 40 runs, more than"):
        load_tiny(tmp_path, **SEARCH | noise, limits={"max_runs": 39}).examples()
