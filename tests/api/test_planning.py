"""What a plan says of its runs, and for how many runs the engine of a structure is chosen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from regsearch.api.planning import former
from regsearch.study.packing import Chooser
from regsearch.study.trials import PlannedRun
from regsearch.train.engine import Engine
from tests.tiny import load_tiny, without_pilot

LEARNS = {
    "search_space": {
        "regularizers": [{"kind": "weight_decay", "decay": {"loguniform": [1e-5, 1e-1]}}]
    },
    "search": {"algorithm": "optuna", "sampler": {"kind": "tpe"}, "cells": 20},
    "seeds": 2,
}


class Noting(Chooser):
    """Chooses packs of two; notes for how many runs of each structure it was asked."""

    def __init__(self) -> None:
        self.amounts: dict[str, int] = {}

    def choose(
        self, structure: str, runs: Sequence[PlannedRun], amount: int = 0
    ) -> tuple[int, Engine]:
        self.amounts[structure] = amount
        return 2, Engine()


@pytest.mark.parametrize(
    ("factors", "structures", "each"),
    [
        ({}, 1, 40),  # 20 cells of 2 seeds
        ({"dataset.label_noise": [0.0, 0.4]}, 1, 80),  # data, not structure
        ({"model.norm": ["none", "batch"]}, 2, 40),
        ({"model.norm": ["none", "batch"], "dataset.label_noise": [0.0, 0.4]}, 2, 80),
    ],
)
def test_of_a_search_that_learns_each_structure_has_its_own_amount(
    tmp_path: Path, factors: dict[str, Any], structures: int, each: int
) -> None:
    pipeline = load_tiny(tmp_path, **LEARNS, factors=factors)
    noting = Noting()
    form = former(pipeline.spec, noting, [], workers=1)
    form(pipeline.examples())
    assert list(noting.amounts.values()) == [each] * structures


def test_a_run_is_listed_with_values_as_a_file_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pilot(monkeypatch)
    space = {"regularizers": [{"kind": "weight_decay", "decay": 0.01, "coupled": False}]}
    factors = {
        "train.optimizer": [{"kind": "sgd", "lr": 0.1}],
        "dataset.label_noise": [0.4],
        "model.norm": ["batch"],
    }
    train = {"epochs": 2, "batch_size": 16}
    pipeline = load_tiny(tmp_path, search_space=space, factors=factors, seeds=1, train=train)
    [line] = [s for s in pipeline.plan(tmp_path / "s").lines(with_runs=True) if s[:4] == "run "]
    told = line.partition("to train")[2]
    assert "None" not in told
    assert "'" not in told
    assert "weight_decay decay=0.01 coupled=false" in told
    level = told.partition("train.optimizer=")[2].partition(" dataset.label_noise=")[0]
    assert json.loads(level) == yaml.safe_load(level)
    assert json.loads(level)["lr"] == 0.1
    assert told.endswith("dataset.label_noise=0.4 model.norm=batch seed=0")
