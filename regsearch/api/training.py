"""Train what a study lacks: an executor, packs formed for it, and a driver that records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from regsearch.api.assigning import Assignment
from regsearch.api.pipeline import Pipeline
from regsearch.api.planning import former
from regsearch.errors import ExitCode
from regsearch.records import Store
from regsearch.study.budget import Budgeted
from regsearch.study.checkpoints import begun, discard
from regsearch.study.driver import Driver
from regsearch.study.executors import Event, Executor
from regsearch.study.feed import Feed, Packs
from regsearch.study.lock import Holder
from regsearch.study.pack import Pack
from regsearch.study.packing import Chooser
from regsearch.study.placement import shown
from regsearch.study.preflight import check_runs
from regsearch.study.progress import ProgressDisplay, Tally, duration
from regsearch.study.stop import StopSwitch
from regsearch.study.trials import PlannedRun


class Training:
    """One start of a study."""

    def __init__(
        self,
        folder: Path,
        holder: Holder,
        store: Store,
        pipeline: Pipeline,
        assignment: Assignment,
        console: Console,
    ) -> None:
        self._folder, self._holder = folder, holder
        self._checkpoints, self._store = folder / "checkpoints", store
        self._spec, self._assignment, self._console = pipeline.spec, assignment, console
        self._tally = _tally(pipeline, assignment)

    def run(self, make: Callable[[], Executor], switch: StopSwitch, taken: ExitStack) -> None:
        """Train what has no record; what the executor took is given back when ``taken`` closes."""
        check_runs(self._spec, self._assignment.examples)
        self._tidy()
        executor = make()
        taken.callback(self._tidy)
        taken.callback(executor.close)
        executor.start()
        try:
            with (
                ProgressDisplay(self._tally, self._console) as display,
                shown(self._folder, self._holder) as board,
            ):
                driver = Driver(self._store, self._checkpoints, self._tally, display.update)
                feed = self._feed(executor, driver)
                budgeted = self._within_budget(feed, executor.workers)
                driver.report_to(budgeted)
                switch.watch(budgeted.gpus_used_up)

                def tell(event: Event) -> None:
                    driver.tell(event)
                    board.hear(event)

                executor.run(budgeted, tell, switch)
            if budgeted.ended_early():
                switch.pull(ExitCode.BUDGET)
        finally:
            executor.release()

    def _tidy(self) -> None:
        """Remove the checkpoints of what a scheduler stopped: its worker saves when it ends."""
        discard(self._checkpoints, self._store.statuses())

    def _feed(self, executor: Executor, driver: Driver) -> Feed:
        """What is left, packed for the executor and announced."""
        remembered = self._store.facts().get("choices", {})
        chooser = Chooser(self._spec, executor.workers, remembered, executor.pilot)
        form = former(self._spec, chooser, begun(self._checkpoints), executor.workers)

        def begin(runs: Sequence[PlannedRun]) -> list[Pack]:
            before = dict(chooser.remembered)
            packs = form(runs)
            if chooser.remembered != before:
                self._store.set_facts(choices=chooser.remembered)
            driver.begin(packs)
            return packs

        feed = self._assignment.feed(begin)
        self._announce(feed, executor.workers, chooser.seconds)
        return feed

    def _within_budget(self, feed: Feed, workers: int) -> Budgeted:
        spec = self._spec
        return Budgeted(
            feed,
            spec.budget,
            gpus=spec.resources_per_trial.gpu,
            workers=workers,
            whole=spec.scheduler.type != "fifo",
        )

    def _announce(self, feed: Feed, workers: int, seconds: float) -> None:
        assignment = self._assignment
        before = f", {assignment.recorded:,} recorded before" if assignment.recorded else ""
        on = f"on {counted(workers, 'worker')}"
        if isinstance(feed, Packs):
            left = assignment.asked - assignment.recorded
            packs = counted(len(feed), "pack")
            told = f"training {left:,} in {packs} {on}, about {duration(seconds)}"
            self._console.print(f"{counted(assignment.asked, 'run')}{before}; {told}")
            return
        self._console.print(
            f"Up to {counted(assignment.asked, 'run')}{before}; cells are chosen by "
            f"{self._spec.search.algorithm} from what comes out, {on}"
        )


def counted(count: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _tally(pipeline: Pipeline, assignment: Assignment) -> Tally:
    metric = pipeline.spec.metric
    return Tally(
        runs=assignment.asked,
        recorded=assignment.recorded,
        epochs=assignment.epochs,
        goal=metric.name,
        higher_is_better=metric.goal == "maximize",
        at_most=assignment.is_open,
    )
