"""Runs: their number, names and order."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from regsearch.errors import ExitCode, PolicyError, SpecError
from regsearch.study.expand import count_runs, expand
from regsearch.study.sources import Sources
from regsearch.study.spec import Pipeline, check
from regsearch.train.task import digest

PLANE = {"kind": "volumization", "v": [0, 0.5, 1, 2, 4], "alpha": [-1, 0, 0.5, 0.9, 1]}


def pipeline(*regularizers: Any, **fields: Any) -> Pipeline:
    spec = {
        "name": "expansion",
        "search_space": {"regularizers": list(regularizers)},
        "train": {"optimizer": {"kind": "adam", "lr": 0.001}, "epochs": 2},
    }
    return check(Sources.of(spec | fields))


def test_runs_are_the_product_of_settings_levels_and_seeds() -> None:
    factors = {"dataset.label_noise": [0.0, 0.4], "model.widths": [[8], [8, 8]]}
    runs = expand(pipeline(PLANE, {"kind": "none"}, factors=factors, seeds=3))
    asked = {
        (
            tuple(getattr(r, "v", None) for r in run.task.regularizers),
            tuple(getattr(r, "alpha", None) for r in run.task.regularizers),
            run.task.dataset.label_noise,
            tuple(run.task.model.model_dump()["widths"]),
            run.task.seed,
        )
        for run in runs
    }
    settings = [*itertools.product(PLANE["v"], PLANE["alpha"]), (None, None)]
    assert asked == {
        ((v,), (alpha,), noise, widths, seed)
        for (v, alpha), noise, widths, seed in itertools.product(
            settings, [0.0, 0.4], [(8,), (8, 8)], range(3)
        )
    }
    assert len(runs) == len(asked) == len({run.run for run in runs}) == 26 * 2 * 2 * 3
    assert len({run.cell for run in runs}) == 26 * 2 * 2


def test_hashes_are_those_of_the_tasks_content() -> None:
    factors = {"dataset.label_noise": [0, 0.4], "train.optimizer.lr": [1e-3, 1]}
    spec = pipeline(
        PLANE,
        [{"kind": "none"}],
        train={"optimizer": {"kind": "sgd"}, "epochs": 1},
        factors=factors,
    )
    for run in expand(spec):
        content = run.task.content()
        assert run.run == digest(content)
        del content["seed"]
        assert run.cell == digest(content)


def test_hashes_do_not_depend_on_what_does_not_change_a_run(tmp_path: Path) -> None:
    runs = {run.run for run in expand(pipeline(PLANE))}
    elsewhere = pipeline(
        PLANE, name="other", device="cpu", pack=3, limits={"max_runs": 30}, metric={"at": "best"}
    )
    assert {run.run for run in expand(elsewhere)} == runs
    mnist = [
        pipeline(PLANE, dataset={"kind": "mnist", "data_root": str(tmp_path / folder)})
        for folder in ("a", "b")
    ]
    assert [run.run for run in expand(mnist[0])] == [run.run for run in expand(mnist[1])]


def test_every_value_that_changes_a_run_changes_its_hash() -> None:
    base = {"kind": "weight_decay", "decay": 0.1}
    variants = [
        pipeline(base),
        pipeline(base | {"decay": 0.2}),
        pipeline(base | {"coupled": False}),
        pipeline([base, {"kind": "volumization", "v": 1, "alpha": 0}]),
        pipeline(base, seeds=[1]),
        pipeline(base, dataset={"kind": "digits", "label_noise": 0.1}),
        pipeline(base, model={"kind": "mlp", "widths": [64]}),
        pipeline(base, train={"optimizer": {"kind": "adam", "lr": 0.001}, "epochs": 3}),
    ]
    assert len({expand(variant)[0].run for variant in variants}) == len(variants)


def test_extending_a_study_keeps_the_runs_it_had() -> None:
    small = expand(pipeline(PLANE, seeds=2))
    more = pipeline(PLANE | {"v": [0, 0.5, 1, 2, 4, 8]}, {"kind": "none"}, seeds=3)
    assert {run.run for run in small} < {run.run for run in expand(more)}


def test_a_cell_and_its_seeds_stay_together_and_the_corners_come_first() -> None:
    factors = {"dataset.label_noise": [0.0, 0.4]}
    runs = expand(pipeline(PLANE, {"kind": "none"}, factors=factors, seeds=3))
    assert [run.task.seed for run in runs] == [0, 1, 2] * (len(runs) // 3)
    assert [run.factors["dataset.label_noise"] for run in runs[:6]] == [0.0] * 3 + [0.4] * 3
    points = [run.task.regularizers[0].model_dump() for run in runs[::6]]
    corners = {(p["v"], p["alpha"]) for p in points[:5] if p["kind"] == "volumization"}
    assert corners == {(0, -1), (0, 1), (4, -1), (4, 1)}
    assert "none" in {p["kind"] for p in points[:5]}


def test_equal_cells_of_two_entries_are_merged() -> None:
    runs = expand(
        pipeline(
            {"kind": "weight_decay", "decay": [0.1, 0.2]},
            {"kind": "weight_decay", "decay": [0.2, 0.3], "coupled": True},
        )
    )
    assert sorted(run.task.regularizers[0].model_dump()["decay"] for run in runs) == [0.1, 0.2, 0.3]


def test_levels_are_the_values_as_the_run_has_them() -> None:
    runs = expand(pipeline({"kind": "none"}, factors={"dataset.label_noise": [0, 1]}))
    assert [repr(run.factors["dataset.label_noise"]) for run in runs] == ["0.0", "1.0"]


def test_a_billion_runs_are_refused_by_arithmetic() -> None:
    axis = {"linspace": [0, 1, 1000]}
    spec = pipeline({"kind": "volumization", "v": axis, "alpha": axis}, seeds=1000)
    start = time.process_time()
    with pytest.raises(PolicyError, match=r"1,000,000,000 runs, more than .* = 100,000") as no:
        expand(spec)
    assert time.process_time() - start < 0.1
    assert no.value.exit_code == ExitCode.POLICY == 9
    assert count_runs(spec) == 10**9


def test_the_limit_is_the_last_number_allowed() -> None:
    assert len(expand(pipeline(PLANE, limits={"max_runs": 25}))) == 25
    with pytest.raises(PolicyError, match=r"25 runs, more than limits\.max_runs = 24"):
        expand(pipeline(PLANE, limits={"max_runs": 24}))


def test_ten_thousand_runs_are_listed_in_seconds() -> None:
    spec = pipeline(PLANE, seeds=400)
    start = time.process_time()
    assert len(expand(spec)) == 10_000
    assert time.process_time() - start < 4


def refused(spec: Pipeline) -> list[str]:
    with pytest.raises(SpecError) as no:
        expand(spec)
    return no.value.problems


def test_decoupled_decay_that_flips_weights_is_refused_where_it_is_written() -> None:
    decay = {"kind": "weight_decay", "decay": [1e-2, 30], "coupled": False}
    sgd = {"optimizer": {"kind": "sgd"}, "epochs": 1}
    rates = {"train.optimizer.lr": [0.01, 0.1]}
    [problem] = refused(pipeline(PLANE, [{"kind": "none"}], decay, train=sgd, factors=rates))
    place, said = problem.removeprefix("pipeline: ").split(": ", 1)
    assert place == "search_space.regularizers[2]"
    assert said.startswith("weight_decay: decay 30, decoupled, at the learning rate 0.1 multi")
    assert len(expand(pipeline(decay | {"coupled": True}, train=sgd, factors=rates))) == 4


def test_decay_is_held_against_the_rate_of_the_steps_that_decay() -> None:
    """Entropy-SGD takes an inner step for every batch; its outer rate is about none of them."""
    decay = {"kind": "weight_decay", "decay": 1, "coupled": False}

    def train(**optimizer: float) -> dict[str, Any]:
        return {"optimizer": {"kind": "entropy_sgd", **optimizer}, "epochs": 1}

    assert expand(pipeline(decay, train=train(lr=2.0, inner_lr=0.1)))
    assert refused(pipeline(decay, train=train(lr=0.1, inner_lr=2.0)))
    assert refused(pipeline(decay, train=train(lr=2.0, inner_lr=0.1, inner_steps=0)))


def test_levels_that_only_together_make_no_schedule_are_refused_by_name() -> None:
    spec = pipeline(
        {"kind": "none"},
        train={"optimizer": {"kind": "sgd"}, "schedule": {"kind": "sigmoid"}, "epochs": 2},
        factors={"train.optimizer.lr": [0.1, 0.01], "train.schedule.end": [0.001, 0.05]},
    )
    [problem] = refused(spec)
    assert problem.startswith(
        "pipeline: factors: with train.optimizer.lr = 0.01, train.schedule.end = 0.05: "
        "end 0.05 is above the optimizer's lr 0.01"
    )


PLUGIN = '''
from typing import Literal
from pydantic import model_validator
from torch import nn
from regsearch.models import MODELS, Model
from regsearch.regularizers import REGULARIZERS, Regularizer
from regsearch.space import Kind, Real

class Band(Kind):
    """Keeps weights between two sizes."""
    kind: Literal["band"] = "band"
    low: Real
    high: Real = 1.0

    @model_validator(mode="after")
    def ordered(self):
        if self.low >= self.high:
            raise ValueError("needs low < high")
        return self

class Pair(Kind):
    """Two numbers that must stay small together."""
    kind: Literal["pair"] = "pair"
    a: int = 1
    b: int = 1

    @model_validator(mode="after")
    def small(self):
        if self.a * self.b > 2:
            raise ValueError("needs a * b up to 2")
        return self

def build(config, shape, classes):
    return nn.Linear(config.a, config.b)

REGULARIZERS.add("band", Regularizer(config=Band, description="band"))
MODELS.add("pair", Model(Pair, "pair", build))
'''

USE = """
import sys
from regsearch.errors import SpecError
from regsearch.study.expand import expand
from regsearch.study.spec import json_schema, load_pipeline
print(len(expand(load_pipeline(sys.argv[1]))), "band" in str(json_schema()["search_space"]))
for override in [
    "search_space.regularizers[0].low=[0.5, 2]", "factors={model.a: [1, 2], model.b: [1, 2]}"
]:
    try:
        expand(load_pipeline(sys.argv[1], [override]))
    except SpecError as refused:
        print(refused)
"""


def test_a_plugin_is_searched_like_any_other_and_its_own_rules_hold(tmp_path: Path) -> None:
    (tmp_path / "band.py").write_text(PLUGIN)
    facts = tmp_path / "band-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: band\nVersion: 1\n")
    (facts / "entry_points.txt").write_text(
        "[regsearch.regularizers]\nband = band\n[regsearch.models]\npair = band\n"
    )
    (tmp_path / "p.yaml").write_text(
        "name: plug\nmodel: {kind: pair}\ntrain: {optimizer: {kind: adam}, epochs: 1}\n"
        "search_space:\n  regularizers:\n    - {kind: band, low: [0.1, 0.2]}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", USE, "p.yaml"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "2 True",
        "p.yaml:6: search_space.regularizers[0]: "
        '{"kind": "band", "low": 2.0, "high": 1.0} does not go together: needs low < high',
        "-o factors={model.a: [1, 2], model.b: [1, 2]}: factors: "
        "with model.a = 2, model.b = 2: needs a * b up to 2",
    ]
