"""A search for a boundary through the one operation: stopped, resumed, extended, reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regsearch.api import open_study, reporting, run, running
from regsearch.errors import ExitCode
from regsearch.report.axes import choose_axes
from regsearch.report.cell_values import UNASKED, gather_cells
from regsearch.report.phase_diagram import PhaseDiagram, sections
from regsearch.report.phase_info import Edge, phase_diagram_info
from regsearch.report.quantities import known_quantity
from regsearch.study.executors import Event, Finished
from regsearch.study.feed import Feed
from regsearch.study.stop import StopSwitch
from regsearch.study.work import Outcome
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
)

ENTRY = {"kind": "volumization", "v": [0.2, 0.4, 0.6, 0.8, 1, 2], "alpha": [-1, -0.5, 0, 0.5, 1]}
SEARCH = {"algorithm": "boundary", "x": "v", "y": "alpha", "level": 0.5, "runs": 40}


class Slope(StandIn):
    """Runs take no time; higher v and alpha are better, seeds differ. Stopped after some packs."""

    stop_after = 10_000

    def run(self, feed: Feed, tell: Callable[[Event], None], switch: StopSwitch) -> None:
        packs = 0
        while not switch.pulled() and (pack := feed.next()) is not None:
            if packs == self.stop_after:
                switch.pull(ExitCode.INTERRUPTED)
                return
            packs += 1
            mark(self.marks, pack)
            tell(Finished(pack, [Outcome(r.run, came_out(r.task), None, 1) for r in pack.runs]))


def came_out(task: Task) -> RunResult:
    config: Any = task.regularizers[0]
    value = 0.5 + 0.2 * (config.v + config.alpha / 2 - 0.7) + 0.01 * task.seed
    curves = {"test_accuracy": np.array([value], np.float32)}
    return replace(result(), metrics={"test_accuracy": value}, curves=curves)


@pytest.fixture(autouse=True)
def slope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    monkeypatch.setattr(running, "InProcessExecutor", Slope)
    monkeypatch.setattr(Slope, "marks", tmp_path / "marks", raising=False)


def train(study: Path, code: ExitCode = ExitCode.DONE, **changes: Any) -> list[str]:
    """Run the study; gives the runs that were trained. No run is ever trained twice."""
    before = len(marked(Slope.marks))
    pipeline = load_tiny(
        Slope.marks.parent,
        search_space={"regularizers": [ENTRY]},
        search=SEARCH | changes,
        pack="auto",
    )
    assert run(pipeline, study, in_process=True) is code
    every = marked(Slope.marks)
    assert len(every) == len(set(every))
    check_invariants(study, set(recorded(study)), exit_code=None)
    return every[before:]


def test_a_study_that_was_stopped_ends_with_the_same_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole")
    assert 25 < len(whole) < 40  # of 60
    monkeypatch.setattr(Slope, "marks", tmp_path / "other")
    monkeypatch.setattr(Slope, "stop_after", 1)
    train(tmp_path / "parts", ExitCode.INTERRUPTED)
    monkeypatch.setattr(Slope, "stop_after", 10_000)
    train(tmp_path / "parts")
    assert set(recorded(tmp_path / "parts")) == set(whole)


def test_it_keeps_to_its_runs_and_goes_on_when_it_is_given_more(tmp_path: Path) -> None:
    study = tmp_path / "study"
    assert len(train(study, runs=11)) == 11
    assert open_study(study).status()["planned"] == 11
    assert train(study, runs=11) == []
    assert 0 < len(train(study)) <= 40 - 11


def test_the_report_shows_the_whole_plane_and_what_was_left_out(tmp_path: Path) -> None:
    train(tmp_path / "study")
    results = reporting.gather(open_study(tmp_path / "study"))
    asked, left = set(results.records["run"]), set(results.unasked["run"])
    assert asked == set(results.planned["run"])
    assert asked.isdisjoint(left)
    assert len(asked | left) == 6 * 5 * 2
    assert len(gather_cells(results).frame) == results.records["cell"].nunique()
    picture = sections(results, PhaseDiagram(metrics=["last"], level=0.5))[0].pictures[0]
    shown = picture.data.set_index("cell")
    assert len(shown) == 6 * 5
    blank = shown["mean"].isna()
    assert set(shown.index[~blank]) == set(results.records["cell"])
    assert set(shown.loc[blank, "note"]) == {UNASKED}
    assert not shown["best"].any()
    once = shown["n"] == 1
    assert set(shown.loc[once, "note"]) == {f"1 of 2 {UNASKED}"}
    picture.draw()


def test_the_edge_lies_between_measured_neighbours_on_either_side_of_the_level(
    tmp_path: Path,
) -> None:
    train(tmp_path / "study")
    results = reporting.gather(open_study(tmp_path / "study"))
    cells = gather_cells(results, whole=True)
    axes = choose_axes(cells, "v", "alpha", None)
    assert axes is not None
    what = known_quantity("last", results)
    info = phase_diagram_info(results, cells, axes, what, edge=Edge(0.5, of_difference=False))
    above = {(s.x, s.y): s.mean > 0.5 for s in info.panels[0].squares if s.n}
    expected = {
        frozenset({(x, y), (x + dx, y + dy)})
        for x, y in above
        for dx, dy in ((1, 0), (0, 1))
        if above.get((x + dx, y + dy), above[x, y]) != above[x, y]
    }
    assert len(expected) > 3
    found = set()
    for (x0, y0), (x1, y1) in info.panels[0].boundary:
        x, y, across = (x0 + x1) / 2, (y0 + y1) / 2, x0 == x1
        ends = {(x - 0.5, y), (x + 0.5, y)} if across else {(x, y - 0.5), (x, y + 0.5)}
        found.add(frozenset(ends))
    assert found == expected
