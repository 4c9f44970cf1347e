"""What a study would train: packs, and an estimate of time and memory from a measured pilot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from regsearch.api.pipeline import Pipeline
from regsearch.api.study import study_folder
from regsearch.records import Status, Store
from regsearch.study.checkpoints import begun
from regsearch.study.expand import count_cells, count_runs, examples, is_open
from regsearch.study.learning import Form
from regsearch.study.pack import Pack, form, form_whole, group
from regsearch.study.packing import Chooser, processors
from regsearch.study.preflight import check_runs
from regsearch.study.progress import duration
from regsearch.study.ray_session import Resources
from regsearch.study.spec import Pipeline as Spec
from regsearch.study.trials import PlannedRun, by_trial


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


def former(spec: Spec, chooser: Chooser, started: Iterable[Sequence[str]], workers: int) -> Form:
    """How runs of this pipeline are packed; packs that were ``started`` stay as they were.

    Under a scheduler each trial is a pack. Of a search that learns the runs come little by little,
    but the engine is chosen for all that will come of a structure.
    """
    amount = 0
    if is_open(spec):
        amount = count_runs(spec) // len(group(examples(spec)))
    choose = partial(chooser.choose, amount=amount)
    if spec.scheduler.type != "fifo":
        return lambda runs: form_whole(by_trial(runs, spec.search.aggregate), choose)
    began = list(started)
    return lambda runs: form(group(runs), began, choose, workers)


@dataclass(frozen=True)
class Survey:
    """A plan together with what is recorded already: the answer to ``regsearch plan``.

    Of a search that learns, ``runs`` and ``plan`` are of the trials that were begun, and of one
    example of each entry of the search space; ``most`` is how many runs it may ask for, of how
    many ``cells``.
    """

    name: str
    runs: list[PlannedRun]
    recorded: dict[str, Status]
    plan: Plan
    most: int | None = None
    cells: int = 0

    def lines(self, with_runs: bool = False) -> Iterator[str]:
        """For a person."""
        plan = self.plan
        done = sum(run.run in self.recorded for run in self.runs)
        yield f"study      {self.name}"
        if self.most is None:
            yield f"cells      {len({run.cell for run in self.runs}):,}"
            yield f"runs       {len(self.runs):,}, {done:,} recorded, {plan.count:,} to train"
        else:
            left = max(0, self.most - done)
            yield f"cells      up to {self.cells:,}, chosen from what comes out"
            yield f"runs       up to {self.most:,}, {done:,} recorded, up to {left:,} to train"
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
            "at_most": self.most,
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
    spec, folder = pipeline.spec, study_folder(pipeline.spec.name, output)
    recorded: dict[str, Status] = {}
    remembered: dict[str, Any] = {}
    tasks: list[dict[str, Any]] = []
    if (folder / "study.db").exists():
        with Store.open(folder, read_only=True) as store:
            recorded, remembered = store.statuses(), store.facts().get("choices", {})
            if pipeline.is_open:
                tasks = [record.task for _, record in store.records()]
    runs = pipeline.expand(tasks)
    missing = [run for run in runs if run.run not in recorded]
    check_runs(spec, examples(spec) if pipeline.is_open else missing)
    wanted = Resources(pipeline.spec.resources_per_trial.cpu, pipeline.spec.resources_per_trial.gpu)
    here = [processors()]
    workers = wanted.slots(here)
    chooser = Chooser(spec, workers, remembered, sharing=wanted.sharing(here))
    form = former(spec, chooser, begun(folder / "checkpoints"), workers)
    packs = form(missing)
    if pipeline.is_open and count_runs(spec) > len(recorded):
        form(examples(spec))  # measures what is not begun, too
    plan = Plan(packs, workers, chooser.seconds, chooser.bytes)
    most = count_runs(spec) if pipeline.is_open else None
    return Survey(spec.name, runs, recorded, plan, most, count_cells(spec))


def _told(run: PlannedRun) -> str:
    parts = []
    for entry in run.task.regularizers:
        values = entry.model_dump(mode="json", exclude={"kind"}, exclude_defaults=True)
        parts += [entry.kind, *_assigned(values)]
    return " ".join([*parts, *_assigned(run.factors), f"seed={run.task.seed}"])


def _assigned(values: Mapping[str, Any]) -> list[str]:
    """``name=value``, the values as one would write them in a file."""
    return [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in values.items()
    ]
