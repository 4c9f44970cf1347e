"""Delivery to MLflow beside a running study: never in the way, never waited for in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from regsearch import disk
from regsearch.api.pipeline import Pipeline
from regsearch.api.tracking import tracking_of
from regsearch.study.stop import StopSwitch
from regsearch.track import Delivery, Tracking, reachable

PATIENCE_S = 600.0
STOPPED_PATIENCE_S = 2.0
"""For the rest of the delivery once the study was stopped: whoever stopped it is waiting."""


@contextmanager
def delivering(
    folder: Path, pipeline: Pipeline, switch: StopSwitch, console: Console
) -> Iterator[Callable[[], bool]]:
    """Deliver records as they come; gives a function that waits for the end: has all arrived?"""
    tracking = tracking_of(pipeline)
    if tracking is None:
        yield lambda: True
        return
    if problem := reachable(tracking):
        console.print(f"{problem}. Training goes on without; delivery is tried until the end.")
    with disk.storage_faults(folder, "write in"):
        delivery = Delivery.start(folder, tracking)
    with ExitStack() as stack:
        stack.callback(delivery.abort)
        yield lambda: _finish(delivery, tracking, switch, console)


def _finish(delivery: Delivery, tracking: Tracking, switch: StopSwitch, console: Console) -> bool:
    patience = STOPPED_PATIENCE_S if switch.code else PATIENCE_S
    problem = reachable(tracking)
    with console.status("Delivering to MLflow"):
        outcome = delivery.finish(0.0 if problem else patience)
    if not (outcome.outstanding or outcome.error):
        return True
    console.print(
        f"MLflow has not received {outcome.outstanding:,} runs: {problem or outcome.error}. "
        "Nothing is lost: give the same command again when it is reachable."
    )
    return False
