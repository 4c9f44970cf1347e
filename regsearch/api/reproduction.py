"""Train one recorded run again: the command, and a comparison with its record."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regsearch.api.pipeline import load
from regsearch.metrics import COURSE
from regsearch.records import Record, Status
from regsearch.train.summary import summarize

if TYPE_CHECKING:
    from regsearch.api.study import Study


Curve = NDArray[np.float32]


class Reproduction:
    """One run on its own, as overrides of its study's resolved file."""

    def __init__(self, study: Study, record: Record) -> None:
        self._study, self._record = study, record

    @property
    def _overrides(self) -> list[str]:
        """The run's settled values; where data lies is left as the study has it."""
        task = json.loads(json.dumps(self._record.task))
        del task["dataset"]["fingerprint"]
        if "population" in task:
            task["train"]["course"] = course(self._record)
        values: dict[str, Any] = {
            "name": f"repro-{self._record.run}",
            "search_space": {"regularizers": [task["regularizers"]]},
            **{f"dataset.{name}": value for name, value in task["dataset"].items()},
            "model": task["model"],
            "train": task["train"],
            "factors": {},
            "seeds": [task["seed"]],
            "search": {"algorithm": "grid"},
            "scheduler": {"type": "fifo"},
            "reports": [],
            "tracking": None,
            "compile": self._record.provenance["compiled"],
        }
        return [f"{path}={json.dumps(value)}" for path, value in values.items()]

    @property
    def command(self) -> str:
        """One line for a shell."""
        file = os.path.relpath(self._study.folder / "resolved.yaml")
        options = " ".join(f"-o {shlex.quote(override)}" for override in self._overrides)
        return f"regsearch run {shlex.quote(file)} --in-process {options}"

    def check(self) -> str:
        """Train the run again, alone, and say how far its numbers are from the record's.

        A failed run has no numbers, and is not trained.
        """
        from regsearch.api.running import run
        from regsearch.api.study import open_study

        if self._record.status is Status.FAILED:
            return (
                f"This run failed: {self._record.reason}. There is nothing to compare; "
                f"`regsearch retry {os.path.relpath(self._study.folder)}` trains failed runs again."
            )
        pipeline = load(self._study.folder / "resolved.yaml", self._overrides)
        with tempfile.TemporaryDirectory(prefix="regsearch-repro-") as folder:
            run(pipeline, folder, in_process=True)
            trained = open_study(folder).find("")  # the only run there is
            again = _as_far(trained, self._record)
        lines = [f"{'':<22} {'recorded':>12} {'again':>12}"]
        for name, value in self._record.metrics.items():
            lines.append(f"{name:<22} {_shown(value):>12} {_shown(again.metrics.get(name)):>12}")
        return "\n".join([*lines, compare(self._record, again)])


def course(record: Record) -> list[dict[str, Any]]:
    """The changes of hyper-parameters that led to a member of a population, as a file has them.

    They are those of the weights it ended with, some of which it has from others.
    """
    curves = {
        name.removeprefix(COURSE): curve
        for name, curve in record.curves.items()
        if name.startswith(COURSE)
    }
    changes: list[dict[str, Any]] = []
    for epoch in range(1, record.epochs + 1):
        values = {name: float(curve[epoch - 1]) for name, curve in curves.items()}
        if not changes or values != changes[-1]["values"]:
            changes.append({"epoch": epoch, "values": values})
    return changes


def _as_far(again: Record, record: Record) -> Record:
    """``again`` as it was when a scheduler stopped ``record``; all of it where none did."""
    if record.status is not Status.STOPPED or again.epochs < record.epochs:
        return again
    curves = {name: curve[: record.epochs] for name, curve in again.curves.items()}
    return replace(
        again,
        status=record.status,
        epochs=record.epochs,
        curves=curves,
        metrics=summarize(curves),
    )


def compare(record: Record, again: Record) -> str:
    """In a line, how far ``again`` is from ``record``: status, epochs, then every curve."""
    if again.status is not record.status:
        why = f" ({again.reason})" if again.reason else ""
        return f"differs: {record.status} then, {again.status} now{why}"
    if again.epochs != record.epochs:
        return f"differs: {record.epochs} epochs then, {again.epochs} now"
    if again.curves.keys() != record.curves.keys():
        return f"differs: measured {', '.join(record.curves)} then, {', '.join(again.curves)} now"
    pairs = [(curve, again.curves[name]) for name, curve in record.curves.items()]
    if all(np.array_equal(one, other, equal_nan=True) for one, other in pairs):
        return "identical, bit for bit"
    together = record.provenance["pack"]
    return (
        f"largest difference of any curve: {max(_distance(*pair) for pair in pairs):.2g} (recorded "
        f"in a pack of {together} runs; another pack size or machine rounds differently)"
    )


def _distance(one: Curve, other: Curve) -> float:
    """Largest difference; infinite where only one of them is a finite number."""
    finite = np.isfinite(one) & np.isfinite(other)
    same = finite | (one == other) | (np.isnan(one) & np.isnan(other))
    gaps = np.abs(one[finite].astype(np.float64) - other[finite])
    return float(gaps.max(initial=0.0)) if same.all() else float("inf")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
