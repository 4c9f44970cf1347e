"""Studies on disk whose records are made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from regsearch.api import Pipeline, Study, open_study
from regsearch.api.claiming import claim
from regsearch.records import Record, Store
from regsearch.study.expand import PlannedRun
from tests.samples import sample_record
from tests.tiny import load_tiny

PLANE = {"regularizers": [{"kind": "volumization", "v": [0.5, 1.0], "alpha": [-1.0, 0.0]}]}

Values = Callable[[PlannedRun], dict[str, Any]]


def write_study(folder: Path, values: Values, **changes: Any) -> Study:
    """The tiny study in ``folder``, every run recorded; ``values`` gives fields of its record."""
    return record_all(folder / "study", load_tiny(folder, **changes), values)


def record_all(study: Path, pipeline: Pipeline, values: Values) -> Study:
    """Begin the study, or go on with it, and record every run that has none."""
    with Store.open(study) as store:
        claim(study, store, pipeline)
        known = store.statuses()
        store.add([
            make_record(number, run, values(run))
            for number, run in enumerate(pipeline.expand())
            if run.run not in known
        ])  # fmt: skip
    return open_study(study)


def make_record(number: int, run: PlannedRun, values: dict[str, Any]) -> Record:
    fields = {"run": run.run, "cell": run.cell, "task": run.task.content()}
    provenance = {"data": "d1", "device": "cpu", "pack": 2, "compiled": False}
    return sample_record(number, **{**fields, "provenance": provenance, **values})


def accuracy(value: float | None) -> dict[str, Any]:
    """Fields of a record with this final accuracy."""
    return {"metrics": {"test_accuracy": value, "test_accuracy_last10": value}}
