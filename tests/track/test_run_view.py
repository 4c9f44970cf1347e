from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from regsearch.records.frame import records_frame
from regsearch.track.view import Point, chunks, milliseconds, view_run

NOON = 1772366400000  # 2026-03-01 12:00 UTC, by `date -ud ... +%s`


def test_a_run_is_named_by_what_was_varied(tools: Any) -> None:
    view = view_run(tools.record(7), "noise")
    assert view.name == view.tags["mlflow.runName"]
    assert view.name == "volumization v=0.5 alpha=0.99 noise=0.4 seed=7"


def test_methods_applied_together_share_a_name(tools: Any) -> None:
    both = [{"kind": "enc", "alpha": 1.0}, {"kind": "weight_decay", "decay": 1e-4}]
    record = tools.record(1)
    record.task["regularizers"] = both
    record.task["dataset"]["label_noise"] = 0.0
    assert view_run(record, "noise").name == "enc + weight_decay alpha=1 decay=0.0001 seed=1"


def test_params_are_the_task_by_path(tools: Any) -> None:
    assert view_run(tools.record(7), "noise").params == {
        "regularizer": "volumization",
        "volumization.v": "0.5",
        "volumization.alpha": "0.99",
        "volumization.scope": "all",
        "dataset.kind": "digits",
        "dataset.label_noise": "0.4",
        "dataset.fingerprint": "d1g1t5",
        "model.kind": "mlp",
        "model.widths": "[128, 64]",
        "train.optimizer.kind": "adam",
        "train.optimizer.lr": "0.0001",
        "train.epochs": "3",
        "train.drop_last": "True",
        "seed": "7",
    }


def test_names_are_those_of_the_records_frame(tools: Any) -> None:
    record = tools.record(1)
    record.task["regularizers"] *= 2
    view, row = view_run(record, "noise"), records_frame([record]).iloc[0]
    facts = {"run", "cell", "status", "reason", "seed"}
    shown = view.params.keys() | {point.key for point in view.metrics} | facts
    missing = set(row.dropna().index) - shown - {"started", "finished"}
    assert not missing
    latest = {point.key: point.value for point in view.metrics if point.step == 3}
    for name in ("train_loss", "test_accuracy", "test_accuracy_best", "epochs", "seconds"):
        assert latest[name] == row[name]


def test_a_curve_is_spread_evenly_between_start_and_end(tools: Any) -> None:
    record = tools.record(1, curves={"weight_norm": np.array([1, 2, 4], np.float32)}, metrics={})
    curve = [point for point in view_run(record, "noise").metrics if point.key == "weight_norm"]
    assert curve == [
        Point("weight_norm", 1.0, NOON + 1000, 1),
        Point("weight_norm", 2.0, NOON + 2000, 2),
        Point("weight_norm", 4.0, NOON + 3000, 3),
    ]


def test_what_is_not_finite_is_said_not_sent(tools: Any) -> None:
    view = view_run(tools.diverged(2), "noise")
    assert all(math.isfinite(point.value) for point in view.metrics)
    assert [point.step for point in view.metrics if point.key == "train_loss"] == [1]
    assert view.tags["regsearch.not_finite"] == "train_loss from epoch 2; weight_norm"
    assert "regsearch.not_finite" not in view_run(tools.record(1), "noise").tags


@pytest.mark.parametrize(
    ("curve", "lost"),
    [
        ([np.nan, 1, np.nan, 2], ""),
        ([np.nan, 1, np.nan, np.nan], "gbr from epoch 3"),
        ([np.inf, 1, 2, 3], "gbr from epoch 1"),
        ([1, np.nan, -np.inf, 3], "gbr from epoch 3"),
        ([np.nan] * 4, "gbr from epoch 1"),
    ],
)
def test_where_nothing_was_measured_nothing_is_lost(
    tools: Any, curve: list[float], lost: str
) -> None:
    record = tools.record(1, curves={"gbr": np.array(curve, np.float32)}, metrics={})
    view = view_run(record, "noise")
    assert view.tags.get("regsearch.not_finite", "") == lost
    sent = [(point.step, point.value) for point in view.metrics if point.key == "gbr"]
    assert sent == [(epoch, v) for epoch, v in enumerate(curve, 1) if math.isfinite(v)]


def test_only_a_failed_run_has_failed(tools: Any) -> None:
    found = {view_run(r, "noise").tags["regsearch.status"]: view_run(r, "noise").status
             for r in tools.mix(3)}  # fmt: skip
    assert found == {"completed": "FINISHED", "diverged": "FINISHED", "failed": "FAILED"}


def test_what_is_too_long_is_cut_and_marked_by_its_hash(tools: Any) -> None:
    record = tools.record(1, reason="x" * 9000)
    record.task["model"]["widths"] = list(range(3000))
    other = tools.record(1)
    other.task["model"]["widths"] = [*range(2999), 0]  # differs after the cut only
    first, second = view_run(record, "noise"), view_run(other, "noise")
    assert len(first.params["model.widths"]) == len(second.params["model.widths"]) == 6000
    assert first.params["model.widths"] != second.params["model.widths"]
    assert len(first.tags["regsearch.reason"]) == 8000


def test_a_name_that_mlflow_would_refuse_is_changed(tools: Any) -> None:
    record = tools.record(1, metrics={"top-5 (%)": 1.0}, curves={})
    assert "top-5 ___" in {point.key for point in view_run(record, "noise").metrics}


@pytest.mark.parametrize(
    "moment", ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00", "2026-03-01T13:00:00.000+01:00"]
)
def test_milliseconds(moment: str) -> None:
    assert milliseconds(moment) == NOON


def test_chunks_hold_everything_once_within_the_limits(tools: Any) -> None:
    view = view_run(tools.record(1), "noise")._replace(
        params={str(n): "" for n in range(250)},
        metrics=[Point(str(n), 0.0, 0, 0) for n in range(2500)],
    )
    requests = list(chunks(view))
    assert [point for points, _ in requests for point in points] == view.metrics
    assert {key for _, params in requests for key in params} == set(view.params)
    assert all(len(params) <= 100 for _, params in requests)
    assert all(len(points) + len(params) <= 1000 for points, params in requests)
