"""What a scheduler is told of a trial: the mean over its runs, the worst once one diverges."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from regsearch.api import load
from regsearch.records import Record, Status
from regsearch.study.judging import Judging, judging
from regsearch.study.schedulers import Fifo
from regsearch.study.settings import Metric
from tests.tiny import TINY, load_tiny


def judged(at: str, goal: Any = "maximize") -> Judging:
    return Judging(Fifo(), Metric(name="test_accuracy", goal=goal, at=at), 9)


def curves(*values: list[float]) -> list[dict[str, Any]]:
    return [{"test_accuracy": np.array(each, np.float32)} for each in values]


@pytest.mark.parametrize(
    ("at", "value"),
    [("last", 0.375), ("best", 0.625), ("epoch:2", 0.5), ("epoch:3", 0.375), ("epoch:9", 0.375)],
)
def test_the_value_is_the_metric_if_training_ended_now(at: str, value: float) -> None:
    now = curves([0.25, 0.5, 0.25], [0.75, 0.5, 0.5])
    assert judged(at).value(now, diverged=False) == value


def test_the_best_is_that_of_the_goal_whatever_is_usual_for_the_quantity() -> None:
    now = curves([0.25, 0.5, 0.25])
    assert judged("best", "minimize").value(now, diverged=False) == 0.25


def test_a_diverged_run_is_the_worst_there_is() -> None:
    now = curves([0.5], [math.nan])
    assert judged("last").value(now, diverged=True) == -math.inf
    assert judged("last", "minimize").value(now, diverged=True) == math.inf
    assert judged("last").value(now, diverged=False) == -math.inf, "never NaN"


def test_a_new_start_knows_how_recorded_trials_went(tmp_path: Path) -> None:
    train = {**TINY["train"], "epochs": 3}
    pipeline = load_tiny(tmp_path, train=train, scheduler={"type": "async_hyperband"})
    runs = pipeline.expand()  # two cells of two seeds
    ways = [(Status.COMPLETED, [0.1, 0.2, 0.4]), (Status.COMPLETED, [0.3, 0.4, 0.6])]
    ways += [(Status.STOPPED, [0.1, 0.2]), (Status.DIVERGED, [0.3, math.nan])]
    records = [
        Record(
            run.run,
            run.cell,
            status,
            None,
            run.task.content(),
            len(curve),
            1.0,
            "",
            "",
            {},
            {"test_accuracy": np.array(curve, np.float32)},
            {},
        )
        for run, (status, curve) in zip(runs, ways, strict=True)
    ]
    found = judging(pipeline.spec, records)
    assert found is not None
    assert found.epochs == 3
    assert found.before[0] == pytest.approx((0.2, 0.3, 0.5))
    assert found.before[1] == (pytest.approx(0.2), -math.inf)
    assert judging(load_tiny(tmp_path).spec, records) is None


def test_the_longest_trial_counts_wherever_epochs_vary(tmp_path: Path) -> None:
    given = {"optimizer": {"kind": "adam"}, "batch_size": 16}
    scheduler = {"type": "async_hyperband"}
    apart = load_tiny(
        tmp_path, train=given, factors={"train.epochs": [2, 7, 5]}, scheduler=scheduler
    )
    file = tmp_path / "tiny.yaml"
    whole = {k: v for k, v in TINY.items() if k != "train"} | {"scheduler": scheduler}
    levels = [copy.deepcopy(given) | {"epochs": epochs} for epochs in (2, 7, 5)]
    file.write_text(yaml.safe_dump(whole | {"factors": {"train": levels}}))
    for pipeline in (apart, load(file)):
        found = judging(pipeline.spec, [])
        assert found is not None
        assert found.epochs == 7
