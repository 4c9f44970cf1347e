"""Studies side by side, from records whose values are known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

import regsearch
from regsearch.api import Study, compare
from regsearch.api.claiming import claim
from regsearch.cli import main
from regsearch.errors import RegsearchError, UnknownName
from regsearch.records import Status, Store
from regsearch.study.expand import PlannedRun
from tests.recorded import Values, write_study
from tests.tiny import TINY, load_tiny

LONGER = {"train": {**TINY["train"], "epochs": 4}}


def decays(*values: float) -> dict[str, Any]:
    return {"regularizers": [{"kind": "weight_decay", "decay": list(values)}, {"kind": "none"}]}


def decay_of(run: PlannedRun) -> float | None:
    return run.task.regularizers[0].model_dump().get("decay")


def accuracy(run: PlannedRun, plus: float = 0.0) -> float:
    """Best at 0.2, worse with noise; each seed has its own luck, which all studies share."""
    decay = decay_of(run)
    of_setting = 0.5 if decay is None else 0.9 - abs(decay - 0.2)
    return of_setting - run.task.dataset.label_noise / 4 + 0.01 * run.task.seed**2 + plus


def study(
    home: Path, name: str, plus: float = 0.0, values: Values | None = None, **changes: Any
) -> Study:
    def metrics(run: PlannedRun) -> dict[str, Any]:
        value = accuracy(run, plus * (1 + run.task.seed))
        return {"metrics": {"test_accuracy": value, "test_accuracy_best": value + 0.05}}

    (home / name).mkdir()
    told = values or metrics
    return write_study(home / name, told, name=name, **{"seeds": 3} | changes)


@pytest.fixture
def pair(tmp_path: Path) -> list[Study]:
    """Two studies that share two decays and ``none``; the second trains longer, and has a seed."""
    first = study(tmp_path, "short", search_space=decays(0.1, 0.2, 0.3))
    second = study(tmp_path, "long", 0.02, search_space=decays(0.2, 0.3, 0.4), seeds=4, **LONGER)
    return [first, second]


def test_the_best_cells_are_compared_over_common_seeds(pair: list[Study]) -> None:
    [row] = compare(pair).best
    short, long = row.sides
    assert (row.title, short.setting, long.setting) == ("", *["weight_decay decay=0.2"] * 2)
    assert short.mean == pytest.approx(0.9 + 0.01 * (0 + 1 + 4) / 3)
    assert long.mean == pytest.approx(0.9 + 0.01 * (0 + 1 + 4 + 9) / 4 + 0.02 * 2.5)
    assert (short.seeds, long.seeds, short.minus_first) == (3, 4, None)
    minus = long.minus_first
    assert minus is not None
    gained = 0.02 * np.array([1, 2, 3])  # seeds 0 to 2; the fourth has no partner
    expected = stats.ttest_1samp(gained, 0)
    limits = expected.confidence_interval(0.95)
    assert (minus.mean, minus.low, minus.high) == pytest.approx((0.04, limits.low, limits.high))
    assert (minus.p, minus.pairs) == (pytest.approx(expected.pvalue), 3)


def test_settings_that_both_have_stand_side_by_side(pair: list[Study]) -> None:
    shared = compare(pair).shared
    assert [row.title for row in shared] == [
        "weight_decay decay=0.2",
        "weight_decay decay=0.3",
        "none",
    ]
    for row in shared:
        short, long = row.sides
        assert short.cell != long.cell, "the epochs differ"
        assert long.minus_first is not None
        assert long.minus_first.mean == pytest.approx(0.04)
        assert long.minus_first.pairs == 3


def test_p_holds_for_all_of_a_table(tmp_path: Path) -> None:
    first = study(tmp_path, "one", search_space=decays(0.1, 0.2))
    others = [
        study(tmp_path, name, plus, search_space=decays(0.1, 0.2), **LONGER)
        for name, plus in (("two", 0.02), ("three", -0.01))
    ]
    compared = compare([first, *others])
    p = stats.ttest_1samp(0.02 * np.array([1, 2, 3]), 0).pvalue  # the same for any plus
    [row] = compared.best
    holm = [side.minus_first.p for side in row.sides if side.minus_first]
    assert holm == pytest.approx([2 * p, 2 * p])
    every = [s.minus_first.p for row in compared.shared for s in row.sides if s.minus_first]
    assert every == pytest.approx([p] * 6), "Benjamini and Hochberg: the largest stays as it is"


def test_levels_of_a_factor_are_compared_each_for_itself(tmp_path: Path) -> None:
    noises = {"dataset.label_noise": [0.0, 0.4]}
    first = study(tmp_path, "two_levels", search_space=decays(0.1, 0.2), factors=noises)
    held = {**TINY["dataset"], "label_noise": 0.4}
    second = study(tmp_path, "one_level", 0.02, search_space=decays(0.1, 0.2), dataset=held)
    compared = compare([first, second])
    assert [row.title for row in compared.best] == ["label noise = 0", "label noise = 0.4"]
    assert [len(row.sides) for row in compared.best] == [1, 2]
    assert len(compared.shared) == 3
    assert {row.title.partition(", ")[2] for row in compared.shared} == {"label noise = 0.4"}
    [minus] = [side.minus_first for side in compared.best[1].sides if side.minus_first]
    assert minus.mean == pytest.approx(0.04), "the same noise"


def test_what_a_study_holds_fixed_is_named_and_does_not_part_the_settings(
    pair: list[Study],
) -> None:
    differ = compare(pair).pipelines
    assert differ["train.epochs"] == {"short": 2, "long": 4}
    assert differ["search_space.regularizers.0.decay"] == {
        "short": [0.1, 0.2, 0.3],
        "long": [0.2, 0.3, 0.4],
    }
    assert differ.keys() == {"train.epochs", "search_space.regularizers.0.decay", "seeds"}


def test_studies_that_differ_in_a_scheduler_share_their_cells(tmp_path: Path) -> None:
    def values(run: PlannedRun) -> dict[str, Any]:
        if decay_of(run) == 0.1:
            return {"status": Status.STOPPED, "reason": "asha", "metrics": {"test_accuracy": 1.0}}
        return {"metrics": {"test_accuracy": accuracy(run)}}

    asha = {"type": "async_hyperband"}
    first = study(tmp_path, "fifo", search_space=decays(0.1, 0.2))
    second = study(tmp_path, "asha", search_space=decays(0.1, 0.2), values=values, scheduler=asha)
    compared = compare([first, second])
    assert [row.title for row in compared.shared] == ["weight_decay decay=0.2", "none"]
    assert all(len({side.cell for side in row.sides}) == 1 for row in compared.shared)
    assert compared.best[0].sides[1].setting == "weight_decay decay=0.2", "stopped is not best"
    assert compared.pipelines["scheduler.type"] == {"fifo": "fifo", "asha": "async_hyperband"}
    [both] = {side.minus_first for row in compared.shared for side in row.sides} - {None}
    assert both is not None
    assert (both.mean, both.p) == (0.0, 1.0)


def test_a_diverged_run_is_counted_and_no_cell_wins_by_it(tmp_path: Path) -> None:
    def values(run: PlannedRun) -> dict[str, Any]:
        if decay_of(run) == 0.2 and run.task.seed == 0:
            return {"status": Status.DIVERGED, "reason": "nan", "metrics": {"test_accuracy": None}}
        return {"metrics": {"test_accuracy": accuracy(run)}}

    first = study(tmp_path, "sound", search_space=decays(0.1, 0.2))
    second = study(tmp_path, "lost", search_space=decays(0.1, 0.2), values=values)
    compared = compare([first, second])
    assert [side.setting for side in compared.best[0].sides] == [
        "weight_decay decay=0.2",
        "weight_decay decay=0.1",
    ]
    [row] = [row for row in compared.shared if row.title == "weight_decay decay=0.2"]
    assert [(side.seeds, side.lost) for side in row.sides] == [(3, ""), (2, "1 of 3 diverged")]
    assert row.sides[1].minus_first is not None
    assert row.sides[1].minus_first.pairs == 2
    assert "(2 seeds, 1 of 3 diverged)" in "\n".join(compared.lines())


def test_another_quantity_and_a_goal_that_is_low(pair: list[Study]) -> None:
    best = compare(pair, "best")
    assert best.quantity.column == "test_accuracy_best"
    assert best.best[0].sides[0].mean == pytest.approx(0.95 + 0.05 / 3)
    with pytest.raises(UnknownName, match="Did you mean 'test_accuracy'"):
        compare(pair, "test_acuracy")


def test_by_a_loss_the_lowest_is_best(tmp_path: Path) -> None:
    def values(run: PlannedRun) -> dict[str, Any]:
        return {"metrics": {"test_loss": accuracy(run)}}

    metric = {"name": "test_loss", "goal": "minimize"}
    made = [
        study(tmp_path, name, values=values, search_space=decays(0.1, 0.2), metric=metric)
        for name in ("one", "two")
    ]
    compared = compare(made)
    assert {side.setting for side in compared.best[0].sides} == {"none"}
    assert compared.shared[0].title == "none"


def test_the_command_line_prints_it_for_people_and_programs(
    pair: list[Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [f"{name}/study" for name in ("short", "long")]
    told = CliRunner().invoke(main, ["compare", *folders])
    assert told.exit_code == 0, told.output
    lines = [" ".join(line.split()) for line in told.output.splitlines()]
    assert lines[0] == "Test accuracy, last epoch (%), higher is better; means and 95 % intervals"
    half = stats.t.ppf(0.975, 2) * np.std([0, 1, 4], ddof=1) / math.sqrt(3)  # in points
    assert f"short 91.67 ± {half:.2f} (3 seeds) weight_decay decay=0.2" in lines
    ends = stats.ttest_1samp([2.0, 4.0, 6.0], 0).confidence_interval(0.95)
    assert f"minus short: +4.00 [−{-ends.low:.2f}, +{ends.high:.2f}] 3 pairs" in lines[4]  # noqa: RUF001
    assert "train.epochs 2 4" in lines
    plain = json.loads(CliRunner().invoke(main, ["compare", *folders, "--json"]).output)
    assert plain["studies"] == ["short", "long"]
    assert plain["shared"][0]["sides"][1]["minus_first"]["mean"] == pytest.approx(0.04)
    assert plain["metric"] == "test_accuracy"


@pytest.mark.parametrize(
    ("names", "code", "expected"),
    [
        (["short/study", "nothing"], 2, "no study 'nothing' in"),
        (["short/study"], 2, "needs two studies or more"),
        (["short/study", "short/study"], 2, "needs two studies or more, each of them once"),
        (["short/study", "long/study", "--metric", "x"], 2, "no measured quantity named 'x'"),
        ([], 2, "Missing argument"),
    ],
)
def test_mistakes(
    pair: list[Study],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: list[str],
    code: int,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(main, ["compare", *names])
    assert (told.exit_code, expected in told.output) == (code, True), told.output


def test_nothing_in_common_is_said(tmp_path: Path) -> None:
    def nothing(run: PlannedRun) -> dict[str, Any]:
        return {"status": Status.FAILED, "reason": "lost", "metrics": {}}

    first = study(tmp_path, "one", search_space=decays(0.1, 0.2))
    second = study(tmp_path, "two", values=nothing, search_space=decays(0.1, 0.2))
    compared = regsearch.compare([first, second])
    assert (compared.shared, len(compared.best[0].sides)) == ((), 1)
    assert "no setting has completed runs in two of the studies" in compared.lines()
    with pytest.raises(RegsearchError, match="two studies"):
        compare([])


def test_a_study_that_has_not_recorded_anything_is_compared_by_its_pipeline(tmp_path: Path) -> None:
    first = study(tmp_path, "one", search_space=decays(0.1, 0.2))
    (tmp_path / "two").mkdir()
    empty = load_tiny(tmp_path / "two", name="two", search_space=decays(0.1, 0.2), seeds=5)
    with Store.open(tmp_path / "two" / "study") as store:
        claim(tmp_path / "two" / "study", store, empty)
    for order in (["one", "two"], ["two", "one"]):
        compared = compare([tmp_path / name / "study" for name in order])
        assert compared.shared == ()
        assert [side.study for row in compared.best for side in row.sides] == ["one"]
        assert list(compared.pipelines) == ["seeds"]
        assert list(compared.lines())
    assert first.records.shape[0] == 9
