"""How runs are put together in packs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regsearch.study.expand import PlannedRun
from regsearch.study.pack import Pack, cut, form, group, resume
from regsearch.train.engine import Engine
from tests.tiny import load_tiny

Plan = Callable[..., list[PlannedRun]]

WIDTHS = {"model": {"kind": "mlp"}, "factors": {"model.widths": [[2], [3]]}}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return lambda **changes: load_tiny(tmp_path, **changes).expand()


def test_values_and_seeds_share_a_pack_but_structures_do_not(plan: Plan) -> None:
    space = {"regularizers": [{"kind": "weight_decay", "decay": [0.0, 0.1]}, {"kind": "none"}]}
    runs = plan(search_space=space, seeds=3, **WIDTHS)
    groups = group(runs).values()
    kinds = [{(r.task.regularizers[0].kind, str(r.task.model)) for r in runs} for runs in groups]
    assert [len(kind) for kind in kinds] == [1, 1, 1, 1]
    assert sorted(map(len, groups)) == [3, 3, 6, 6]


@given(
    runs=st.integers(1, 200), most=st.integers(1, 60), workers=st.integers(1, 9)
)  # the runs are told apart only by their place
def test_cuts_are_even_and_keep_every_run_in_order(runs: int, most: int, workers: int) -> None:
    numbers: list[Any] = list(range(runs))
    cuts = cut(numbers, most, workers)
    assert [number for part in cuts for number in part] == numbers
    sizes = sorted(map(len, cuts))
    assert sizes[0] >= 1
    assert sizes[-1] <= most
    assert sizes[-1] - sizes[0] <= 1
    assert len(cuts) == 1 or len(cuts) == runs or len(cuts) % workers == 0


def test_a_pack_that_was_begun_is_taken_up_as_it_was(plan: Plan) -> None:
    runs = plan(seeds=4)
    names = [run.run for run in runs]
    begun = [[names[5], names[0], names[3]]]
    packs, others = resume(runs, begun)
    assert [[run.run for run in pack] for pack in packs] == begun
    assert [run.run for run in others] == [names[i] for i in (1, 2, 4, 6, 7)]


def test_a_pack_with_a_run_that_is_not_wanted_is_not_taken_up(plan: Plan) -> None:
    runs = plan(seeds=2)
    packs, others = resume(runs, [[runs[0].run, "of another study"]])
    assert packs == []
    assert others == runs


def test_two_packs_that_were_begun_with_the_same_run_train_it_once(plan: Plan) -> None:
    runs = plan(seeds=2)
    names = [run.run for run in runs]
    packs, others = resume(runs, [names[:2], names])
    assert [[run.run for run in pack] for pack in packs] == [names[:2]]
    assert others == runs[2:]


def test_packs_that_were_begun_come_first_and_structures_take_turns(plan: Plan) -> None:
    groups = group(plan(seeds=3, **WIDTHS))
    first, second = groups.values()
    begun = [[run.run for run in second[:2]]]
    packs = form(groups, begun, lambda structure, runs: (2, Engine()), workers=1)
    assert [run.run for run in packs[0].runs] == begun[0]
    of_first = {run.run for run in first}
    turns = [pack.runs[0].run in of_first for pack in packs[1:]]
    assert turns == [True, False, True, False, True]
    assert sorted(r.run for pack in packs for r in pack.runs) == sorted(
        r.run for r in first + second
    )


def test_a_pack_is_named_after_its_runs_and_their_order(plan: Plan) -> None:
    runs = tuple(plan(seeds=2))
    assert Pack(runs, Engine()).name == Pack(runs, Engine(threads=2)).name
    names = {Pack(part, Engine()).name for part in (runs, runs[:2], runs[::-1])}
    assert len(names) == 3
