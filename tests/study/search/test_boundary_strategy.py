"""The search of boundaries: one seed at a time, in rounds, from the records alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from regsearch.errors import SpecError
from regsearch.study.search import ALGORITHMS, Answer, Candidate, Goals, Learned, Scope, Strategy
from regsearch.study.search.boundary_search import BoundarySearch, planes
from regsearch.study.search.space import Space
from regsearch.study.spec import load_search_space
from tests.tiny import load_tiny, write_tiny

SEEDS = (3, 5, 8)
V, ALPHA = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [-1, -0.5, 0, 0.25, 0.5, 0.75, 1]
ENTRY = {"kind": "volumization", "v": V, "alpha": ALPHA}
Value = Callable[[dict[str, Any], int], float]


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return make_space(tmp_path, ENTRY, {"kind": "none"})


def make_space(folder: Path, *entries: Any) -> Space:
    import yaml

    file = folder / "space.yaml"
    file.write_text(yaml.safe_dump({"regularizers": list(entries)}))
    return Space(load_search_space(file).regularizers)


def make(space: Space, goals: Goals | None = None, **given: Any) -> Strategy:
    algorithm = ALGORITHMS["boundary"]
    assert isinstance(algorithm, Learned)
    settings = {"algorithm": "boundary", "x": "v", "y": "alpha", "runs": 1000} | given
    config = BoundarySearch.model_validate(settings)
    return algorithm.strategy(Scope(space, goals or {"accuracy": "maximize"}, SEEDS), config)


def answer(strategy: Strategy, asked: Iterable[Candidate], value: Value) -> None:
    for candidate in asked:
        strategy.tell(candidate, Answer("completed", (of(candidate, value),)))


def of(candidate: Candidate, value: Value) -> float:
    assert candidate.seed is not None
    return value(candidate.setting.content[0], candidate.seed)


def search(strategy: Strategy, value: Value) -> list[Candidate]:
    """Everything that is asked, in order; nothing twice."""
    everything: list[Candidate] = []
    while not strategy.done:
        asked = strategy.ask(25)
        assert asked
        answer(strategy, asked, value)
        everything += asked
    keys = [(candidate.setting.key, candidate.seed) for candidate in everything]
    assert len(keys) == len(set(keys))
    return everything


def ridge(content: dict[str, Any], seed: int) -> float:
    """Accuracy 0.5 without a regularizer; above 0.6 where v + alpha / 2 exceeds 0.45."""
    effect = {3: 0.2, 5: -0.15, 8: -0.05}[seed]
    if content["kind"] == "none":
        return 0.5 + effect
    return 0.6 + 0.3 * (content["v"] + content["alpha"] / 2 - 0.45) + effect


def test_the_baseline_is_asked_first_and_paired_by_seed(space: Space) -> None:
    """Seeds differ by far more than neighbouring cells: unpaired, sides would be wrong."""
    strategy = make(space, baseline="none", level=0.1, runs=100)
    everything = search(strategy, ridge)
    assert [c.setting.content[0]["kind"] for c in everything[:4]] == [*["none"] * 3, "volumization"]
    assert [c.seed for c in everything[:3]] == list(SEEDS)
    assert len(everything) < 80  # of 150
    near = [c.setting.content[0] for c in everything[28:]]
    distance = [abs(content["v"] + content["alpha"] / 2 - 0.45) for content in near]
    assert sum(distance) / len(distance) < 0.2  # at random, 0.4


@pytest.mark.parametrize("runs", [1, 7, 29, 41])
def test_the_budget_is_kept_exactly(space: Space, runs: int) -> None:
    noisy: Value = lambda content, seed: 0.01 * math.sin(1e4 * content["v"] + 7 * seed)  # noqa: E731
    assert len(search(make(space, level=0.0, runs=runs), noisy)) == runs


def test_nothing_is_asked_while_a_round_is_out(space: Space) -> None:
    strategy = make(space, level=0.6)
    asked = strategy.ask(25)
    assert len(asked) == 25
    assert strategy.ask(25) == []
    assert not strategy.done
    answer(strategy, asked[:-1], ridge)
    assert strategy.ask(25) == []
    answer(strategy, asked[-1:], ridge)
    assert strategy.ask(25)


def test_a_new_start_goes_on_where_the_records_end(space: Space) -> None:
    before, after = make(space, level=0.6), make(space, level=0.6)
    first = before.ask(25)
    answer(before, first, ridge)
    answer(after, reversed(first), ridge)
    assert all(after.knows(candidate) for candidate in first)
    second = before.ask(25)
    assert after.ask(25) == second
    resumed = make(space, level=0.6)
    answer(resumed, first, ridge)
    for candidate in second:
        resumed.take_up(candidate)
    assert resumed.ask(25) == []


def test_a_metric_to_minimize_turns_the_sides_over(space: Space) -> None:
    up = make(space, level=0.6)
    down = make(space, {"error": "minimize"}, level=-0.6)
    assert search(up, ridge) == search(down, lambda content, seed: -ridge(content, seed))


def test_diverged_runs_settle_a_cell(space: Space) -> None:
    strategy, lost = make(space, level=0.6), set[str]()
    while not strategy.done:
        asked = strategy.ask(25)
        assert lost.isdisjoint(candidate.setting.key for candidate in asked)
        low = [c for c in asked if c.setting.content[0]["v"] < 0.35]
        answer(strategy, low, lambda content, seed: -math.inf)
        answer(strategy, [c for c in asked if c not in low], ridge)
        lost |= {candidate.setting.key for candidate in low}
    assert lost


def test_failed_runs_are_told_and_not_asked_again(space: Space) -> None:
    strategy = make(space, level=0.6)
    while not strategy.done:
        for candidate in strategy.ask(25):
            assert not strategy.knows(candidate)
            strategy.tell(candidate, Answer("failed"))
            assert strategy.knows(candidate)


def test_values_are_sorted_and_other_axes_make_planes_of_their_own(tmp_path: Path) -> None:
    entry = {
        "kind": "volumization",
        "v": [2, 1, 3],
        "alpha": [0, 1],
        "volume": ["fan_in", "fan_out"],
    }
    space = make_space(tmp_path, entry)
    config = BoundarySearch(algorithm="boundary", x="alpha", y="volumization.v", runs=9, level=0.5)
    found = planes(space, config)
    assert [plane.lengths for plane in found] == [[2, 3], [2, 3]]
    settings = [space.settle(plane.at((1, 0))).content[0] for plane in found]
    assert [(s["alpha"], s["v"], s["volume"]) for s in settings] == [
        (1, 1, "fan_in"),
        (1, 1, "fan_out"),
    ]


MISTAKES = [
    ({}, {}, "needs a level of the metric, or a baseline such as none"),
    (
        {"level": 0.5, "baseline": "lasso"},
        {},
        "'lasso' is no entry of the search space with a single setting; add one, or name none",
    ),
    ({"level": 0.5, "y": "v"}, {}, "search.y: is x again"),
    ({"level": 0.5, "x": "decay"}, {}, "the entry volumization lacks x or y (it varies"),
    ({"level": 0.5}, {"v": {"uniform": [0, 1]}}, "volumization.v is drawn from a distribution"),
    ({"level": 0.5, "y": "volume"}, {"volume": ["fan_in", "fan_out"]}, "volume takes words"),
    (
        {"level": 0.5},
        {"v": {"linspace": [0.1, 2, 1000]}},
        "a plane of 7,000 cells, more than 2,500",
    ),
]


@pytest.mark.parametrize(("search", "entry", "told"), MISTAKES)
def test_what_does_not_go_together_is_said(
    tmp_path: Path, search: dict[str, Any], entry: dict[str, Any], told: str
) -> None:
    with pytest.raises(SpecError, match="search") as refused:
        load_tiny(
            tmp_path,
            search_space={"regularizers": [ENTRY | entry, {"kind": "none"}]},
            search={"algorithm": "boundary", "x": "v", "y": "alpha", "runs": 9, "baseline": "none"}
            | ({"baseline": None} if not search else {})
            | search,
        )
    assert told in str(refused.value)


def test_a_scheduler_is_refused(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    with pytest.raises(SpecError, match="boundary compares runs that were trained to the end"):
        load_tiny(
            tmp_path,
            search={"algorithm": "boundary", "x": "decay", "level": 0.5, "runs": 9},
            scheduler={"type": "async_hyperband", "grace_period": 1},
        )
