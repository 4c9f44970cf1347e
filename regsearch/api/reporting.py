"""From a study on disk to the page: gather what a report shows, and write it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regsearch import disk
from regsearch.records import Record
from regsearch.records.frame import curves_frame, planned_frame, records_frame, to_csv
from regsearch.report import Metric, Results, write_report
from regsearch.study.expand import unasked
from regsearch.study.trials import PlannedRun

if TYPE_CHECKING:
    import pandas as pd

    from regsearch.api.study import Study


def write(study: Study) -> Path:
    """Write ``report.html``, ``figures/`` and ``records.csv`` of a study; returns the page."""
    results = gather(study)
    disk.write_atomically(study.folder / "records.csv", to_csv(results.records))
    return write_report(results, study.pipeline.reports, study.folder)


def gather(study: Study) -> Results:
    """What the reports of a study see; runs that the file no longer asks for stay out."""
    spec = study.pipeline.spec
    facts, records = study.facts, study.asked_for()
    planned = study.pipeline.expand(record.task for record in records)
    return Results(
        name=spec.name,
        question=facts.get("question", ""),
        records=records_frame(records, list(spec.factors)),
        curves=curves_frame(records),
        planned=_planned(planned, records, list(spec.factors)),
        unasked=_planned(unasked(spec, planned), [], list(spec.factors)),
        factors=list(spec.factors),
        metric=Metric(spec.metric.name, spec.metric.goal, spec.metric.at),
        spec=(study.folder / "spec.yaml").read_text(),
        facts=_facts(study, facts, records),
        distributions={record.run: record.distributions for record in records},
    )


def _planned(runs: list[PlannedRun], records: list[Record], factors: list[str]) -> pd.DataFrame:
    tasks = {record.run: record.task for record in records}
    told = ((run.run, run.cell, tasks.get(run.run) or run.task.content()) for run in runs)
    return planned_frame(told, factors)


def _facts(study: Study, facts: dict[str, Any], records: list[Record]) -> dict[str, Any]:
    made = [record.provenance for record in records]
    versions = facts.get("versions", {})
    return {
        "commit": facts.get("git_commit") or "not under git",
        "data": ", ".join(sorted({str(p["data"]) for p in made})),
        "device": ", ".join(sorted({str(p["device"]) for p in made})),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "command": f"regsearch run {os.path.relpath(study.folder / 'resolved.yaml')}",
    }
