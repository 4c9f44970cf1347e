"""Two Ray nodes, one of which is lost: the study goes on, and its numbers are the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regsearch.errors import ExitCode
from regsearch.records import Record
from tests.invariants import check_invariants
from tests.nodes import Cluster, cluster_here
from tests.subjects import ASHA, HYPERBAND, STUDY, TPE, Subject, same

pytestmark = [pytest.mark.slow, pytest.mark.ray]

SEARCHES = {"fifo": STUDY, "async_hyperband": ASHA, "hyperband": HYPERBAND, "tpe": TPE}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with cluster_here(monkeypatch) as cluster:
        yield cluster


@pytest.mark.parametrize("search", SEARCHES)
def test_a_node_that_is_lost_costs_no_run(
    search: str, cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = cluster.add()
    with Subject(tmp_path, "--address", cluster.address, **SEARCHES[search]) as subject:
        subject.start()
        subject.wait_for(lambda: subject.records() and subject.trained() > 20 and node.trains())
        before = {run: record.status for run, record in subject.records().items()}
        node.kill()
        assert subject.end() == ExitCode.DONE, subject.told
        kept = check_invariants(
            subject.study, subject.planned().keys(), acknowledged=before, exit_code=0
        )
        account = subject.account()
    with capsys.disabled():
        sys.stdout.write(f"\n{search}, a node lost after {len(before)} runs: {account}\n")
    assert len(kept) > len(before), "the node was lost too late to mean anything"
    assert (account.finished, account.lost, account.twice, account.wrong) == (16, 0, 0, 0)
    assert not any((subject.study / "checkpoints").iterdir())


def test_a_node_that_never_returns_is_missed_aloud_and_the_clock_goes_on(
    cluster: Cluster, tmp_path: Path
) -> None:
    node = cluster.add(cpus=2)
    changes = ASHA | {"resources_per_trial": {"cpu": 2}}
    with Subject(tmp_path, "--address", cluster.address, **changes) as subject:
        subject.start("-o", "budget.time_budget_s=200")
        subject.wait_for(lambda: len(subject.records()) >= 2 and node.trains())
        node.kill()
        subject.wait_for(lambda: "waiting for a node with 2 CPUs" in subject.told)
        assert subject.end() == ExitCode.BUDGET, subject.told
        kept = check_invariants(subject.study, subject.planned().keys(), exit_code=7)
        subject.start()
        assert subject.end() == ExitCode.USER, subject.told
        assert "a trial asks for 2 CPUs and 0 GPUs, but there are 1 CPUs" in subject.told
        cluster.add(cpus=2)
        subject.start()
        assert subject.end() == ExitCode.DONE, subject.told
        check_invariants(subject.study, subject.planned().keys(), acknowledged=kept, exit_code=0)
        assert str(subject.account()) == "16 runs finished, 0 lost, 0 trained twice, 0 wrong"


@pytest.mark.parametrize("seeds", [[0, 1], [2, 3]])
def test_asha_finds_the_same_best_cell_on_one_node_and_on_two(
    seeds: list[int], cluster: Cluster, tmp_path: Path
) -> None:
    """Whom ASHA stops depends on who arrives first, but never the one that leads at each rung."""
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        changes: dict[str, Any] = ASHA | {"seeds": seeds}
        with Subject(tmp_path / name, "--address", cluster.address, **changes) as subject:
            subject.start()
            assert subject.end() == ExitCode.DONE, subject.told
            assert f"on {'1 worker' if name == 'one' else '2 workers'}" in subject.told
            found.append(best_cell(subject.records()))
        cluster.add()
    one, two = found
    assert one.keys() == two.keys()
    for run, record in one.items():
        assert (record.status, record.epochs) == ("completed", 32)
        assert record.curves.keys() == two[run].curves.keys()
        assert all(same(curve, two[run].curves[name]) for name, curve in record.curves.items())


def best_cell(records: dict[str, Record]) -> dict[str, Record]:
    """Records of the cell with the highest mean, of those that were trained to their end."""
    cells: dict[str, dict[str, Record]] = {}
    for run, record in records.items():
        if record.status == "completed":
            cells.setdefault(record.cell, {})[run] = record
    means = {
        cell: np.mean([record.curves["test_accuracy"][-1] for record in runs.values()])
        for cell, runs in cells.items()
    }
    return cells[max(means, key=means.__getitem__)]
