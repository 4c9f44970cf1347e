"""What a study would train: packs, and an estimate of time and memory from a measured pilot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regsearch.api.pipeline import Pipeline
from regsearch.api.study import study_folder
from regsearch.records import Status, Store
from regsearch.study.checkpoints import begun
from regsearch.study.expand import PlannedRun
from regsearch.study.pack import Pack, form, group
from regsearch.study.packing import Chooser, processors
from regsearch.study.preflight import check_runs
from regsearch.study.progress import duration
from regsearch.study.ray_session import Resources


@dataclass(frozen=True)
class Plan:
    """The packs of the runs that have no record, in the order in which they will be trained."""

    packs: list[Pack]
    workers: int
    seconds: float  # of training, the workers side by side, from the pilot
    bytes: int  # of the largest pack's tensors

    @property
    def count(self) -> int:
        """Number of runs to train."""
        return sum(len(pack.runs) for pack in self.packs)


def make_plan(
    chooser: Chooser,
    missing: Sequence[PlannedRun],
    started: Iterable[Sequence[str]],
    workers: int,
) -> Plan:
    """Pack the runs that are missing; packs that were begun stay as they were."""
    packs = form(group(missing), started, chooser.choose, workers)
    return Plan(packs, workers, chooser.seconds, chooser.bytes)


@dataclass(frozen=True)
class Survey:
    """A plan together with what is recorded already: the answer to ``regsearch plan``."""

    name: str
    runs: list[PlannedRun]
    recorded: dict[str, Status]
    plan: Plan

    def lines(self, with_runs: bool = False) -> Iterator[str]:
        """For a person."""
        plan = self.plan
        done = sum(run.run in self.recorded for run in self.runs)
        yield f"study      {self.name}"
        yield f"cells      {len({run.cell for run in self.runs}):,}"
        yield f"runs       {len(self.runs):,}, {done:,} recorded, {plan.count:,} to train"
        for pack in plan.packs[:20]:
            compiled = "compiled" if pack.engine.compile else "not compiled"
            kinds = " + ".join(entry.kind for entry in pack.runs[0].task.regularizers)
            yield f"pack       {pack.name}  {len(pack.runs):>4} runs  {kinds}, {compiled}"
        if len(plan.packs) > 20:
            yield f"           and {len(plan.packs) - 20:,} more packs"
        if plan.packs:
            yield f"time       about {duration(plan.seconds)} of training on {plan.workers} workers"
            yield f"memory     about {plan.bytes / 2**20:,.0f} MiB in each worker for the tensors"
        if with_runs:
            for run in self.runs:
                status = self.recorded.get(run.run, "to train")
                yield f"run        {run.run}  {status:<9}  {_told(run)}"

    def to_dict(self, with_runs: bool = False) -> dict[str, Any]:
        """For a program."""
        plan = self.plan
        told: dict[str, Any] = {
            "study": self.name,
            "cells": len({run.cell for run in self.runs}),
            "runs": len(self.runs),
            "recorded": sum(run.run in self.recorded for run in self.runs),
            "to_train": plan.count,
            "workers": plan.workers,
            "seconds": plan.seconds,
            "bytes_per_worker": plan.bytes,
            "packs": [
                {"pack": pack.name, "runs": len(pack.runs), "compiled": pack.engine.compile}
                for pack in plan.packs
            ],
        }
        if with_runs:
            told["list"] = [
                {"run": run.run, "cell": run.cell, "status": self.recorded.get(run.run)}
                for run in self.runs
            ]
        return told


def survey(pipeline: Pipeline, output: str | Path | None) -> Survey:
    """Look at what is recorded, measure a pilot here, and plan the rest; changes nothing."""
    folder = study_folder(pipeline.spec.name, output)
    recorded: dict[str, Status] = {}
    remembered: dict[str, Any] = {}
    if (folder / "study.db").exists():
        with Store.open(folder, read_only=True) as store:
            recorded, remembered = store.statuses(), store.facts().get("choices", {})
    runs = pipeline.expand()
    missing = [run for run in runs if run.run not in recorded]
    check_runs(pipeline.spec, missing)
    wanted = Resources(pipeline.spec.resources_per_trial.cpu, pipeline.spec.resources_per_trial.gpu)
    workers = wanted.slots(*processors())
    chooser = Chooser(pipeline.spec, workers, remembered)
    plan = make_plan(chooser, missing, begun(folder / "checkpoints"), workers)
    return Survey(pipeline.spec.name, runs, recorded, plan)


def _told(run: PlannedRun) -> str:
    parts = []
    for entry in run.task.regularizers:
        values = entry.model_dump(exclude={"kind"}, exclude_defaults=True)
        parts.append(" ".join([entry.kind, *(f"{name}={value}" for name, value in values.items())]))
    parts += [f"{path}={level}" for path, level in run.factors.items()]
    return " ".join([*parts, f"seed={run.task.seed}"])
