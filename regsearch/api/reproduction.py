"""Train one recorded run again: the command, and a comparison with its record."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from regsearch.api.pipeline import load
from regsearch.records import Record

if TYPE_CHECKING:
    from regsearch.api.study import Study


class Reproduction:
    """One run on its own, as overrides of its study's resolved file."""

    def __init__(self, study: Study, record: Record) -> None:
        self._study, self._record = study, record

    @property
    def _overrides(self) -> list[str]:
        """The run's settled values; where data lies is left as the study has it."""
        task = json.loads(json.dumps(self._record.task))
        del task["dataset"]["fingerprint"]
        values: dict[str, Any] = {
            "name": f"repro-{self._record.run}",
            "search_space": {"regularizers": [task["regularizers"]]},
            **{f"dataset.{name}": value for name, value in task["dataset"].items()},
            "model": task["model"],
            "train": task["train"],
            "factors": {},
            "seeds": [task["seed"]],
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
        """Train the run again, alone, and say how far its numbers are from the record's."""
        from regsearch.api.running import run
        from regsearch.api.study import open_study

        pipeline = load(self._study.folder / "resolved.yaml", self._overrides)
        with tempfile.TemporaryDirectory(prefix="regsearch-repro-") as folder:
            run(pipeline, folder, in_process=True)
            again = open_study(folder).find(self._record.run)
        lines = [f"{'':<22} {'recorded':>12} {'again':>12}"]
        for name, value in self._record.metrics.items():
            lines.append(f"{name:<22} {_shown(value):>12} {_shown(again.metrics.get(name)):>12}")
        return "\n".join([*lines, self._verdict(again)])

    def _verdict(self, again: Record) -> str:
        apart = max(
            float(np.nanmax(np.abs(curve - again.curves[name]), initial=0.0))
            for name, curve in self._record.curves.items()
        )
        if again.status is not self._record.status:
            return f"differs: {self._record.status} then, {again.status} now"
        if apart == 0:
            return "identical, bit for bit"
        together = self._record.provenance["pack"]
        return (
            f"largest difference of any curve: {apart:.2g} (recorded in a pack of {together} runs; "
            "another pack size or machine rounds differently)"
        )


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
