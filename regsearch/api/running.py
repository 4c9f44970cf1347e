"""Run a study: plan, subtract the records that exist, train the rest, report, deliver."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from regsearch import disk
from regsearch.api import reporting
from regsearch.api.pipeline import Pipeline
from regsearch.api.planning import Plan, make_plan
from regsearch.api.study import Study, study_folder
from regsearch.errors import ConflictError, ExitCode
from regsearch.records import Status, Store
from regsearch.study.checkpoints import begun
from regsearch.study.driver import Driver
from regsearch.study.executors import CheckpointPolicy, Executor, InProcessExecutor
from regsearch.study.expand import PlannedRun
from regsearch.study.lock import hold
from regsearch.study.packing import Chooser
from regsearch.study.progress import ProgressDisplay, Tally, duration
from regsearch.study.provenance import git_commit, versions
from regsearch.study.stop import StopSwitch, listening
from regsearch.track import Delivery, Tracking

DELIVERY_PATIENCE_S = 600.0


def run(
    pipeline: Pipeline,
    output: str | Path | None = None,
    *,
    address: str | None = None,
    in_process: bool = False,
    fresh: bool = False,
    retry_failed: bool = False,
    verbose: bool = False,
) -> ExitCode:
    """Train what has no record yet and report; start, resume and extend are this one operation.

    Args:
        pipeline: what to run.
        output: folder of the study; ``studies/NAME`` here without it.
        address: a Ray cluster; without it a Ray of our own is started and ended.
        in_process: train here, one pack after the other, without Ray.
        fresh: rename an existing study of this name and start anew.
        retry_failed: forget failed runs first, so that they are trained again.
        verbose: tell on the terminal what happens.

    Returns:
        What the command line exits with; ``DONE`` if every run has a valid record.

    Raises:
        ConflictError: the folder holds a study of another task, or another driver runs it.
        StorageError: the folder cannot be written, or the disk is full.
        ServiceError: Ray cannot be reached.
    """
    console = Console(quiet=not verbose, highlight=False, soft_wrap=True)
    folder = study_folder(pipeline.spec.name, output)
    if fresh:
        _put_aside(folder, console)
    runs = pipeline.expand()
    switch = StopSwitch(pipeline.spec.budget.time_budget_s)
    with listening(switch), hold(folder), Store.open(folder) as store:
        disk.sweep_temporary(folder)
        if retry_failed:
            store.remove_failed()
        _claim(folder, store, pipeline)
        with _delivering(folder, pipeline, console) as delivery:
            _train(folder, store, pipeline, runs, switch, console, address, in_process)
            report = _report(folder, store, console)
            undelivered = delivery is not None and not delivery()
        code = switch.code or _judge(store, runs, undelivered)
        _say_end(console, code, store, runs, folder)
    if report:
        console.print(str(report), style="bold")
    return code


def _put_aside(folder: Path, console: Console) -> None:
    if (folder / "study.db").exists():
        with hold(folder):
            aside = folder.with_name(f"{folder.name}.{datetime.now():%Y%m%d-%H%M%S}")
            folder.rename(aside)
        console.print(f"The old study is now in {aside}")


def _claim(folder: Path, store: Store, pipeline: Pipeline) -> None:
    """Make the folder this pipeline's, unless it holds records of another task."""
    task = pipeline.task_in_common()
    before = store.facts().get("task")
    if before is not None and store.statuses():
        changed = [key for key in {**before, **task} if before.get(key) != task.get(key)]
        if changed:
            shown = "; ".join(
                f"{key} was {json.dumps(before.get(key))}, is {json.dumps(task.get(key))}"
                for key in changed
            )
            raise ConflictError(
                f"{folder} holds records of another task: {shown}. Give the file another name:, "
                "or --fresh to put the old study aside"
            )
    store.set_facts(
        name=pipeline.spec.name,
        task=task,
        question=pipeline.spec.question,
        versions=versions(),
        git_commit=git_commit(),
    )
    disk.write_atomically(folder / "spec.yaml", pipeline.spec.text.encode())
    disk.write_atomically(folder / "resolved.yaml", _to_yaml(pipeline))


def _to_yaml(pipeline: Pipeline) -> bytes:
    return yaml.safe_dump(pipeline.spec.resolved(), sort_keys=False).encode()


def _train(
    folder: Path,
    store: Store,
    pipeline: Pipeline,
    runs: list[PlannedRun],
    switch: StopSwitch,
    console: Console,
    address: str | None,
    in_process: bool,
) -> None:
    recorded = store.statuses()
    missing = [run for run in runs if run.run not in recorded]
    if not missing:
        console.print(f"All {len(runs):,} runs are recorded already.")
        return
    executor = _executor(folder, pipeline, address, in_process)
    executor.start()
    try:
        workers = executor.workers
        chooser = Chooser(pipeline.spec, workers, store.facts().get("choices", {}))
        plan = make_plan(chooser, missing, begun(folder / "checkpoints"), workers)
        store.set_facts(choices=chooser.remembered)
        _announce(console, plan, len(runs), len(recorded))
        tally = _tally(pipeline, runs, missing)
        with ProgressDisplay(tally, console) as display:
            driver = Driver(store, folder / "checkpoints", tally, display.update)
            driver.begin(plan.packs)
            executor.run(plan.packs, driver.tell, switch)
    finally:
        executor.close()


def _executor(folder: Path, pipeline: Pipeline, address: str | None, in_process: bool) -> Executor:
    spec = pipeline.spec
    saves = CheckpointPolicy(folder / "checkpoints", spec.checkpoint.every_s, spec.checkpoint.keep)
    if in_process:
        return InProcessExecutor(saves, spec.budget.max_failures)
    from regsearch.study.ray_executor import RayExecutor
    from regsearch.study.ray_session import RaySession, Resources

    wanted = Resources(spec.resources_per_trial.cpu, spec.resources_per_trial.gpu)
    session = RaySession(address, gpus_wanted=wanted.gpu > 0)
    return RayExecutor(session, wanted, saves, spec.budget.max_failures)


def _tally(pipeline: Pipeline, runs: list[PlannedRun], missing: list[PlannedRun]) -> Tally:
    metric = pipeline.spec.metric
    return Tally(
        runs=len(runs),
        recorded=len(runs) - len(missing),
        epochs=sum(run.task.train.epochs for run in missing),
        goal=metric.name,
        higher_is_better=metric.goal == "maximize",
    )


def _announce(console: Console, plan: Plan, runs: int, recorded: int) -> None:
    before = f", {recorded:,} recorded before" if recorded else ""
    console.print(
        f"{runs:,} runs{before}; training {plan.count:,} in {len(plan.packs):,} packs "
        f"on {plan.workers} workers, about {duration(plan.seconds)}"
    )


@contextmanager
def _delivering(folder: Path, pipeline: Pipeline, console: Console) -> Iterator[Any]:
    """Deliver to MLflow beside the training; gives a function that waits for the end of it."""
    mlflow = pipeline.spec.tracking and pipeline.spec.tracking.mlflow
    if not mlflow:
        yield None
        return
    tracking = Tracking(mlflow.tracking_uri, mlflow.experiment or pipeline.spec.name)
    delivery = Delivery.start(folder, tracking)
    with ExitStack() as stack:
        stack.callback(delivery.abort)

        def finish() -> bool:
            with console.status("Delivering to MLflow"):
                outcome = delivery.finish(DELIVERY_PATIENCE_S)
            if outcome.outstanding or outcome.error:
                console.print(
                    f"MLflow has not received {outcome.outstanding:,} runs: {outcome.error}. "
                    "Nothing is lost: give the same command again when it is reachable."
                )
            return not (outcome.outstanding or outcome.error)

        yield finish


def _report(folder: Path, store: Store, console: Console) -> Path | None:
    if not store.statuses():
        return None
    with console.status("Drawing the report"):
        return reporting.write(Study(folder))


def _judge(store: Store, runs: list[PlannedRun], undelivered: bool) -> ExitCode:
    statuses = store.statuses()
    if any(statuses.get(run.run) in (None, Status.FAILED) for run in runs):
        return ExitCode.FAILED
    return ExitCode.UNDELIVERED if undelivered else ExitCode.DONE


def _say_end(
    console: Console, code: ExitCode, store: Store, runs: list[PlannedRun], folder: Path
) -> None:
    statuses = store.statuses()
    counts = dict.fromkeys(Status, 0)
    for run in runs:
        if run.run in statuses:
            counts[statuses[run.run]] += 1
    told = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
    place = os.path.relpath(folder)
    console.print(f"{sum(counts.values()):,} of {len(runs):,} runs recorded: {told or 'none'}")
    if code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.BUDGET):
        why = "budget used up" if code is ExitCode.BUDGET else "stopped"
        console.print(f"{why.capitalize()}; give the same command again to go on.")
    if counts[Status.FAILED]:
        console.print(f"Train the failed runs again with: regsearch retry {place}")
