"""Population based training through the front door: Ray, records, and the same run alone again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regsearch.api import load, open_study, run
from regsearch.errors import ExitCode, SpecError
from regsearch.records import Status
from tests.invariants import check_invariants
from tests.tiny import TINY, recorded, write_tiny

GOOD, HOPELESS = [0.0, 1e-4, 1e-3], [30.0, 60.0, 90.0]
STUDY: dict[str, Any] = {
    "search_space": {
        "regularizers": [{"kind": "weight_decay", "decay": GOOD + HOPELESS}, {"kind": "none"}]
    },
    "dataset": {"kind": "digits", "train_size": 400},
    "model": {"kind": "mlp", "widths": [16]},
    "train": {**TINY["train"], "epochs": 9},
    "metric": {"name": "test_accuracy", "goal": "maximize"},
    "scheduler": {"type": "pbt", "perturbation_interval": 3, "quantile_fraction": 0.5},
}
DECAY = "course.weight_decay.decay"


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("kind", ["pbt", "pb2"])
def test_members_that_learn_nothing_go_on_as_copies_of_those_that_do(
    tmp_path: Path, kind: str
) -> None:
    scheduler = STUDY["scheduler"] | {"type": kind}
    pipeline = load(write_tiny(tmp_path, **STUDY | {"scheduler": scheduler}))
    assert run(pipeline, tmp_path / "study") is ExitCode.DONE
    records = recorded(tmp_path / "study")
    check_invariants(
        tmp_path / "study", {r.run for r in pipeline.expand()}, exit_code=ExitCode.DONE
    )
    assert {record.status for record in records.values()} == {Status.COMPLETED}
    assert {len(c) for record in records.values() for c in record.curves.values()} == {9}
    plain = [record for record in records.values() if record.regularizer == "none"]
    assert plain
    assert not any(DECAY in record.curves for record in plain)
    members = [record for record in records.values() if record.regularizer != "none"]
    hopeless = [r for r in members if r.task["regularizers"][0]["decay"] in HOPELESS]
    rescued = [r for r in hopeless if r.curves[DECAY][0] < min(HOPELESS)]
    assert rescued, "the best half is copied by the worst, its past included"
    for record in rescued:
        course = record.curves[DECAY]
        assert len(set(course[:3].tolist())) == 1, "nothing changes before epoch 4"
        if kind == "pbt":
            assert set(course.tolist()) <= {float(np.float32(d)) for d in GOOD + HOPELESS}
    study = open_study(tmp_path / "study")
    told = study.reproduce(rescued[0].run).check()
    assert re.search(
        "identical, bit for bit|largest difference of any curve: [0-9.]+e-0[5-9]", told
    )
    assert run(pipeline, tmp_path / "study") is ExitCode.DONE
    again = recorded(tmp_path / "study")
    assert {r: c.finished for r, c in again.items()} == {r: c.finished for r, c in records.items()}


def test_reports_on_settings_that_stay_are_refused(tmp_path: Path) -> None:
    reports = [{"kind": "profile", "x": "weight_decay.decay"}]
    with pytest.raises(SpecError, match="pbt changes hyper-parameters while runs train"):
        load(write_tiny(tmp_path, **STUDY, reports=reports))
    train = STUDY["train"] | {"course": [{"epoch": 2, "values": {"weight_decay.decay": 0.5}}]}
    with pytest.raises(SpecError, match=r"train\.course changes hyper-parameters while runs train"):
        load(write_tiny(tmp_path, **STUDY | {"scheduler": {}, "train": train}, reports=reports))
    curves = [{"kind": "curves", "quantities": ["test_accuracy", DECAY]}]
    assert load(write_tiny(tmp_path, **STUDY, reports=curves)).reports


def test_the_course_of_a_record_is_what_a_file_would_say() -> None:
    from types import SimpleNamespace

    from regsearch.api.reproduction import course

    curves = {
        "course.a.x": np.array([0.5, 0.5, 0.25, 0.25], np.float32),
        "course.a.y": np.array([1, 1, 1, 1], np.float32),
        "test_accuracy": np.array([0.1, 0.2, 0.3, 0.4], np.float32),
    }
    record: Any = SimpleNamespace(epochs=4, curves=curves)
    assert course(record) == [
        {"epoch": 1, "values": {"a.x": 0.5, "a.y": 1.0}},
        {"epoch": 3, "values": {"a.x": 0.25, "a.y": 1.0}},
    ]
