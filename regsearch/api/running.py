"""Run a study: plan, subtract the records that exist, train the rest, report, deliver."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console

from regsearch import disk
from regsearch.api import reporting
from regsearch.api.assigning import assign, forget
from regsearch.api.claiming import claim, put_aside
from regsearch.api.delivering import delivering
from regsearch.api.pipeline import Pipeline
from regsearch.api.study import Study, study_folder
from regsearch.api.training import Training
from regsearch.errors import ExitCode, RegsearchError
from regsearch.records import Status, Store
from regsearch.study.executors import CheckpointPolicy, Executor, InProcessExecutor
from regsearch.study.judging import judging
from regsearch.study.lock import hold
from regsearch.study.stop import StopSwitch, listening


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
        DataError: a data set is missing or damaged; nothing was started.
        StorageError: the folder cannot be written, or the disk is full.
        ServiceError: Ray cannot be reached.
        RegsearchError: a scheduler, which is Ray's, is to judge what is trained in this process.
    """
    console = Console(quiet=not verbose, highlight=False, soft_wrap=True)
    folder = study_folder(pipeline.spec.name, output)
    pipeline.examples()  # what is wrong with it is better said before there is a folder
    if in_process:
        _require_fifo(pipeline)
    if fresh and (aside := put_aside(folder)):
        console.print(f"The old study is now in {aside}")
    switch = StopSwitch(pipeline.spec.budget.time_budget_s)
    with listening(switch), hold(folder) as holder, Store.open(folder) as store:
        disk.sweep_temporary(folder)
        claim(folder, store, pipeline)
        if retry_failed:
            forget(store, pipeline, Status.FAILED)
        if pipeline.spec.scheduler.type == "fifo":  # it was taken away: they are trained on
            forget(store, pipeline, Status.STOPPED)
        assignment = assign(folder, store, pipeline)
        make = partial(_executor, folder, pipeline, address, in_process, store)
        with ExitStack() as taken, delivering(folder, pipeline, switch, console) as delivered:
            if assignment.complete:
                console.print(f"All {assignment.recorded:,} runs are recorded already.")
            else:
                training = Training(folder, holder, store, pipeline, assignment, console)
                training.run(make, switch, taken)
            report = None if switch.signalled else _report(folder, store, console)
            arrived = delivered()
        ended = assignment.ended()
        asked = ended.total() if assignment.complete else assignment.asked
        code = _judge(switch.code, ended, asked, arrived)
        _say_end(console, code, ended, asked, folder)
    if report:
        console.print(str(report), style="bold")
    return code


def _require_fifo(pipeline: Pipeline) -> None:
    scheduler = pipeline.spec.scheduler.type
    if scheduler != "fifo":
        raise RegsearchError(
            f"scheduler: {scheduler} is Ray Tune's, which --in-process does without; "
            "leave the option out, or give -o scheduler.type=fifo"
        )


def _executor(
    folder: Path, pipeline: Pipeline, address: str | None, in_process: bool, store: Store
) -> Executor:
    spec = pipeline.spec
    saves = CheckpointPolicy(folder / "checkpoints", spec.checkpoint.every_s, spec.checkpoint.keep)
    if in_process:
        return InProcessExecutor(saves, spec.budget.max_failures)
    from regsearch.study.ray_executor import RayExecutor
    from regsearch.study.ray_session import RaySession, Resources

    wanted = Resources(spec.resources_per_trial.cpu, spec.resources_per_trial.gpu)
    session = RaySession(address, gpus_wanted=wanted.gpu > 0)
    return RayExecutor(
        session,
        wanted,
        saves,
        spec.budget.max_failures,
        limit=spec.search.max_concurrent_trials,
        waits=pipeline.is_open,
        judging=judging(spec, (record for _, record in store.records())),
    )


def _report(folder: Path, store: Store, console: Console) -> Path | None:
    if not store.statuses():
        return None
    with console.status("Drawing the report"):
        return reporting.write(Study(folder))


def _judge(stopped: ExitCode | None, ended: Counter[Status], asked: int, arrived: bool) -> ExitCode:
    missing = asked - ended.total()
    if stopped and (missing or stopped is not ExitCode.BUDGET):  # a late budget stopped nothing
        return stopped
    if missing:
        raise RuntimeError(f"the executor ended, but {missing} runs have no record")
    if ended[Status.FAILED]:
        return ExitCode.FAILED
    return ExitCode.DONE if arrived else ExitCode.UNDELIVERED


def _say_end(
    console: Console, code: ExitCode, ended: Counter[Status], asked: int, folder: Path
) -> None:
    told = ", ".join(f"{ended[status]:,} {status}" for status in Status if ended[status])
    console.print(f"{ended.total():,} of {asked:,} runs recorded: {told or 'none'}")
    if code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.BUDGET):
        why = "Budget used up" if code is ExitCode.BUDGET else "Stopped, the report is not drawn"
        console.print(f"{why}; give the same command again to go on.")
    if ended[Status.FAILED]:
        console.print(
            f"Train the failed runs again with: regsearch retry {os.path.relpath(folder)}"
        )
