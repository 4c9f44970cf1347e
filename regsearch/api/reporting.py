"""From a study on disk to the page: gather what a report shows, and write it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regsearch import disk
from regsearch.records import Record, Store
from regsearch.records.frame import curves_frame, planned_frame, records_frame
from regsearch.report import Metric, Results, write_report

if TYPE_CHECKING:
    from regsearch.api.study import Study


def write(study: Study) -> Path:
    """Write ``report.html``, ``figures/`` and ``records.csv`` of a study; returns the page."""
    with Store.open(study.folder, read_only=True) as store:
        facts = store.facts()
        records = [record for _, record in store.records()]
    results = gather(study, facts, records)
    disk.write_atomically(
        study.folder / "records.csv", results.records.to_csv(index=False).encode()
    )
    return write_report(results, study.pipeline.reports, study.folder)


def gather(study: Study, facts: dict[str, Any], records: list[Record]) -> Results:
    """What the reports of a study see; runs that the file no longer asks for stay out."""
    spec = study.pipeline.spec
    planned = study.pipeline.expand()
    wanted = {run.run for run in planned}
    records = [record for record in records if record.run in wanted]
    return Results(
        name=spec.name,
        question=facts.get("question", ""),
        records=records_frame(records, list(spec.factors)),
        curves=curves_frame(records),
        planned=planned_frame(
            ((run.run, run.cell, run.task.content()) for run in planned), list(spec.factors)
        ),
        factors=list(spec.factors),
        metric=Metric(spec.metric.name, spec.metric.goal, spec.metric.at),
        spec=(study.folder / "spec.yaml").read_text(),
        facts=_facts(study, facts, records),
    )


def _facts(study: Study, facts: dict[str, Any], records: list[Record]) -> dict[str, Any]:
    made = [record.provenance for record in records]
    seconds = sum(record.seconds for record in records)
    versions = facts.get("versions", {})
    return {
        "commit": facts.get("git_commit") or "not under git",
        "data": ", ".join(sorted({str(p["data"]) for p in made})),
        "device": ", ".join(sorted({str(p["device"]) for p in made})),
        "training": f"{seconds / 3600:.3g} device hours",
        "first run": min((record.started for record in records), default="-"),
        "last run": max((record.finished for record in records), default="-"),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "command": f"regsearch run {os.path.relpath(study.folder / 'resolved.yaml')}",
    }
