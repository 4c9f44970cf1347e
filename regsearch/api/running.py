"""Run a study: plan, subtract the records that exist, train the rest, report, deliver."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console

from regsearch import disk
from regsearch.api import reporting
from regsearch.api.claiming import claim, put_aside
from regsearch.api.delivering import delivering
from regsearch.api.pipeline import Pipeline
from regsearch.api.planning import Plan, make_plan
from regsearch.api.study import Study, study_folder
from regsearch.errors import ExitCode
from regsearch.records import Status, Store
from regsearch.study.checkpoints import begun
from regsearch.study.driver import Driver
from regsearch.study.executors import CheckpointPolicy, Executor, InProcessExecutor
from regsearch.study.expand import PlannedRun
from regsearch.study.lock import hold
from regsearch.study.packing import Chooser
from regsearch.study.preflight import check_runs
from regsearch.study.progress import ProgressDisplay, Tally, duration
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
    """
    console = Console(quiet=not verbose, highlight=False, soft_wrap=True)
    folder = study_folder(pipeline.spec.name, output)
    runs = pipeline.expand()
    if fresh and (aside := put_aside(folder)):
        console.print(f"The old study is now in {aside}")
    switch = StopSwitch(pipeline.spec.budget.time_budget_s)
    with listening(switch), hold(folder), Store.open(folder) as store:
        disk.sweep_temporary(folder)
        claim(folder, store, pipeline)
        if retry_failed:
            store.remove_failed()
        with ExitStack() as taken, delivering(folder, pipeline, switch, console) as delivered:
            make = partial(_executor, folder, pipeline, address, in_process)
            _train(folder, store, pipeline, switch, console, make, taken)
            report = None if switch.signalled else _report(folder, store, console)
            arrived = delivered()
        statuses = store.statuses()
        ended = Counter(statuses[run.run] for run in runs if run.run in statuses)
        code = _judge(switch.code, ended, len(runs), arrived)
        _say_end(console, code, ended, len(runs), folder)
    if report:
        console.print(str(report), style="bold")
    return code


def _train(
    folder: Path,
    store: Store,
    pipeline: Pipeline,
    switch: StopSwitch,
    console: Console,
    make_executor: Callable[[], Executor],
    taken: ExitStack,
) -> None:
    """Train what has no record; what the executor took is given back while the report is drawn."""
    runs, recorded = pipeline.expand(), store.statuses()
    missing = [run for run in runs if run.run not in recorded]
    if not missing:
        console.print(f"All {len(runs):,} runs are recorded already.")
        return
    check_runs(pipeline.spec, missing)
    executor = make_executor()
    taken.callback(executor.close)
    executor.start()
    try:
        workers = executor.workers
        chooser = Chooser(pipeline.spec, workers, store.facts().get("choices", {}), executor.pilot)
        plan = make_plan(chooser, missing, begun(folder / "checkpoints"), workers)
        store.set_facts(choices=chooser.remembered)
        _announce(console, plan, len(runs), len(runs) - len(missing))
        tally = _tally(pipeline, runs, missing)
        with ProgressDisplay(tally, console) as display:
            driver = Driver(store, folder / "checkpoints", tally, display.update)
            driver.begin(plan.packs)
            executor.run(plan.packs, driver.tell, switch)
    finally:
        executor.release()


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
        f"{_counted(runs, 'run')}{before}; training {plan.count:,} in "
        f"{_counted(len(plan.packs), 'pack')} on {_counted(plan.workers, 'worker')}, "
        f"about {duration(plan.seconds)}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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
