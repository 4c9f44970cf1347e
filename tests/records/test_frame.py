"""Tables of records: columns, order, types, and every value where it belongs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from regsearch.histogram import Histogram
from regsearch.records import Record, Status
from regsearch.records.frame import (
    curves_frame,
    distributions_frame,
    planned_frame,
    records_frame,
    to_csv,
)
from tests.samples import float32, sample_record, sample_task

FIRST = ["run", "cell", "regularizer"]
VOLUMIZATION = ["volumization.v", "volumization.alpha", "volumization.scope"]
LAST = ["seed", "status", "reason", "epochs", "seconds", "started", "finished"]


def regularized(number: int, *entries: dict[str, Any], **sections: Any) -> Record:
    task = sample_task(seed=number, regularizers=list(entries), **sections)
    return sample_record(number, task=task, metrics={})


def columns(*records: Record) -> list[str]:
    """The columns between the leading and the trailing ones."""
    names = list(records_frame(records).columns)
    assert names[:3] == FIRST
    assert names[-7:] == LAST
    return names[3:-7]


def test_a_row_holds_its_run() -> None:
    record = sample_record(
        5,
        status=Status.DIVERGED,
        reason="loss is nan",
        metrics={"test_accuracy": 0.25, "test_loss": None},
    )
    frame = records_frame([record])
    assert frame.to_dict("records") == [
        {
            "run": f"{5:016x}",
            "cell": f"{1:016x}",
            "regularizer": "volumization",
            "volumization.v": 0.5,
            "volumization.alpha": -1.0,
            "volumization.scope": "weights",
            "dataset.label_noise": 0.4,
            "seed": 5,
            "status": "diverged",
            "reason": "loss is nan",
            "epochs": 3,
            "seconds": 5.1,
            "started": "2026-03-01T12:00:00.000+00:00",
            "finished": "2026-03-01T12:00:07.250+00:00",
            "test_loss": pytest.approx(float("nan"), nan_ok=True),
            "test_accuracy": 0.25,
        }
    ]


def test_types_are_the_same_whatever_the_values() -> None:
    full = [sample_record(n) for n in range(3)]
    failed = [sample_record(n, status=Status.FAILED, reason="x", metrics={}) for n in range(3)]
    for records in (full, failed, [*full, *failed], []):
        frame = records_frame(records)
        types = {str(name): str(kind) for name, kind in frame.dtypes.items()}
        assert types["seed"] == types["epochs"] == "int64"
        assert types["seconds"] == types["dataset.label_noise"] == "float64"
        assert {types[name] for name in [*FIRST, "status", "reason", "started"]} == {"str"}
        assert {kind for name, kind in types.items() if "_loss" in name} <= {"float64"}


def test_a_run_without_a_hyperparameter_has_none_there() -> None:
    frame = records_frame(
        [
            regularized(0, {"kind": "volumization", "v": 2.0, "scope": "all"}),
            regularized(1, {"kind": "weight_decay", "decay": 0.1, "coupled": True}),
            regularized(2, {"kind": "none"}),
            regularized(3),
        ]
    )
    assert list(frame["regularizer"]) == ["volumization", "weight_decay", "none", ""]
    assert frame["volumization.v"].dtype == frame["weight_decay.decay"].dtype == "float64"
    np.testing.assert_array_equal(frame["volumization.v"], [2, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(frame["weight_decay.decay"], [np.nan, 0.1, np.nan, np.nan])
    assert frame["weight_decay.coupled"].dropna().to_dict() == {1: True}
    assert frame["volumization.scope"].dropna().to_dict() == {0: "all"}


def test_regularizers_applied_together_keep_their_own_columns() -> None:
    record = regularized(0, {"kind": "enc", "alpha": 1.0}, {"kind": "weight_decay", "decay": 0.1})
    assert records_frame([record])["regularizer"][0] == "enc + weight_decay"
    assert columns(record) == ["enc.alpha", "weight_decay.decay", "dataset.label_noise"]


def test_one_regularizer_applied_twice_loses_no_value() -> None:
    entries = [{"kind": "weight_decay", "decay": value} for value in (0.1, 0.2, 0.3)]
    frame = records_frame([regularized(0, *entries)])
    assert frame["weight_decay.decay"][0] == 0.1
    assert frame["weight_decay_2.decay"][0] == 0.2
    assert frame["weight_decay_3.decay"][0] == 0.3


def test_settings_are_columns_where_they_differ() -> None:
    def run(number: int, lr: float, noise: float, model: dict[str, Any]) -> Record:
        dataset = {"kind": "digits", "label_noise": noise, "fingerprint": "f0"}
        train = {"optimizer": {"kind": "adam", "lr": lr, "betas": [0.9, 0.999]}, "epochs": 3}
        return regularized(number, dataset=dataset, model=model, train=train)

    small, large = {"kind": "mlp", "widths": [64]}, {"kind": "mlp", "widths": [128, 64]}
    assert columns(run(0, 0.1, 0.4, small), run(1, 0.1, 0.4, small)) == ["dataset.label_noise"]
    varied = [run(0, 0.1, 0.0, small), run(1, 0.2, 0.4, large)]
    assert columns(*varied) == ["dataset.label_noise", "model.widths", "train.optimizer.lr"]
    frame = records_frame(varied)
    assert list(frame["model.widths"]) == ["[64]", "[128, 64]"]
    assert list(frame["train.optimizer.lr"]) == [0.1, 0.2]
    deep = run(2, 0.1, 0.0, {"kind": "dnn", "width": 1024})
    assert columns(varied[0], deep) == [
        "dataset.label_noise",
        "model.kind",
        "model.widths",
        "model.width",
    ]


def test_a_fingerprint_is_a_column_only_if_it_tells_something_new() -> None:
    def run(number: int, kind: str, fingerprint: str) -> Record:
        dataset = {"kind": kind, "label_noise": 0.0, "fingerprint": fingerprint}
        return regularized(number, dataset=dataset)

    restated = [run(0, "mnist", "a"), run(1, "digits", "b"), run(2, "mnist", "a")]
    assert columns(*restated) == ["dataset.label_noise", "dataset.kind"]
    replaced = [*restated, run(3, "mnist", "c")]
    assert "dataset.fingerprint" in columns(*replaced)


def test_metrics_come_in_a_fixed_order_with_their_summaries() -> None:
    shuffled = (
        *("sharpness_gap", "sharpness", "max_weight", "test_accuracy_gap", "test_accuracy_best"),
        *("train_loss", "test_accuracy", "validation_loss_best", "mind_the_gap"),
    )
    metrics = dict.fromkeys(shuffled, 0.0)
    frame = records_frame([sample_record(metrics=metrics)])
    assert list(frame.columns)[list(frame.columns).index("finished") + 1 :] == [
        "train_loss",
        "test_accuracy",
        "test_accuracy_best",
        "test_accuracy_gap",
        "validation_loss_best",
        "max_weight",
        "sharpness",
        "sharpness_gap",
        "mind_the_gap",
    ]


def test_no_records_are_an_empty_table_with_columns() -> None:
    frame = records_frame([])
    assert list(frame.columns) == [*FIRST, "dataset.label_noise", *LAST]
    assert len(frame) == 0
    assert list(curves_frame([]).columns) == ["run", "epoch"]


def test_a_factor_is_a_column_even_before_it_varies() -> None:
    keep = ["train.epochs", "model.width"]
    assert columns(sample_record(0, metrics={})) == [*VOLUMIZATION, "dataset.label_noise"]
    frame = records_frame([sample_record(0)], keep)
    assert list(frame.columns)[3:7] == [*VOLUMIZATION, "dataset.label_noise"]
    assert list(frame["train.epochs"]) == [3]
    assert frame["model.width"].isna().all()
    assert list(records_frame([], keep).columns)[3:6] == ["dataset.label_noise", *keep]


def test_a_factor_may_be_a_whole_section() -> None:
    frame = records_frame([sample_record(0)], ["model"])
    assert frame["model"][0] == "mlp"  # of the default width


def test_planned_runs_have_the_columns_of_records_as_far_as_the_seed() -> None:
    records = [sample_record(n, status=Status.FAILED, metrics={}) for n in range(5)]
    planned = planned_frame((record.run, record.cell, record.task) for record in records)
    both = records_frame(records)
    assert planned.columns[-1] == "seed"
    pd.testing.assert_frame_equal(planned, both[list(planned.columns)])
    assert list(both.columns[len(planned.columns) :]) == LAST[1:]


def test_an_iterator_is_read_once() -> None:
    records = [sample_record(n) for n in range(4)]
    pd.testing.assert_frame_equal(records_frame(iter(records)), records_frame(records))
    pd.testing.assert_frame_equal(curves_frame(iter(records)), curves_frame(records))


def test_curves_are_one_row_an_epoch() -> None:
    records = [
        sample_record(0, epochs=2, curves={"train_loss": float32([3, 1])}),
        sample_record(1, epochs=0, curves={}),
        sample_record(
            2,
            epochs=3,
            curves={
                "test_accuracy": float32([0.5, np.nan, np.nan]),
                "train_loss": float32([2, 7, np.nan]),
            },
        ),
    ]
    nan = np.nan
    expected = pd.DataFrame(
        {
            "run": [f"{0:016x}"] * 2 + [f"{2:016x}"] * 3,
            "epoch": [1, 2, 1, 2, 3],
            "train_loss": [3, 1, 2, 7, nan],
            "test_accuracy": [nan, nan, 0.5, nan, nan],
        }
    )
    pd.testing.assert_frame_equal(curves_frame(records), expected)


def test_distributions_are_one_row_a_bin() -> None:
    found = Histogram(-2.0, 2.0, np.array([0, 1, 2, 3]), 1, 0)
    constants = Histogram(0.0, 1.0, np.array([5, 6]), 1, 4)
    records = [
        sample_record(0, distributions={"weights/a": found, "lipschitz": constants}),
        sample_record(1),
        sample_record(2, distributions={"lipschitz": constants}),
    ]
    few = pd.DataFrame(
        {"name": "lipschitz", "low": [0, 0.5, np.nan], "high": [0.5, 1, np.nan], "count": [5, 6, 4]}
    )
    many = pd.DataFrame(
        {"name": "weights/a", "low": [-2, -1, 0, 1], "high": [-1, 0, 1, 2], "count": range(4)}
    )
    parts = [many.assign(run="0" * 16), few.assign(run="0" * 16), few.assign(run="0" * 15 + "2")]
    expected = pd.concat(parts, ignore_index=True)[["run", "name", "low", "high", "count"]]
    pd.testing.assert_frame_equal(distributions_frame(records), expected, check_dtype=False)
    nothing = distributions_frame([sample_record(1)])
    assert list(nothing.columns) == list(expected.columns)
    assert not len(nothing)


def test_a_spreadsheet_takes_no_text_for_a_formula() -> None:
    frame = pd.DataFrame({"reason": ["=1+1", "@x", "fine", None], "gap": [-0.5, 1.0, 2.0, 3.0]})
    assert to_csv(frame).decode().splitlines() == [
        "reason,gap", "'=1+1,-0.5", "'@x,1.0", "fine,2.0", ",3.0",
    ]  # fmt: skip
