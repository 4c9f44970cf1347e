"""Send records to MLflow, each exactly once: send again after a fault, never twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlflow.exceptions import MlflowException

from regsearch.records.record import Record
from regsearch.track.log import DeliveryLog
from regsearch.track.target import Target
from regsearch.track.view import RunView, view_run

REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST"}
"""MLflow's answers to one run that it will not take; anything else is trouble with the service."""


def deliver(
    records: Iterable[Record], target: Target, log: DeliveryLog, study: str
) -> dict[str, str]:
    """Send those of ``records`` that ``log`` has not; returns why runs were refused, by their hash.

    A record of a run that was trained again takes the place of the older one in MLflow.

    Raises:
        Exception: of any kind that MLflow's client lets through, when the store cannot be reached
            or answers nonsense. Then call again later; nothing is lost and nothing sent twice.
    """
    whole = _recognise(target, log)
    views = [view_run(r, study) for r in records if not log.has(r.run, r.finished)]
    _remove_older(views, target, log)
    unsure = [view for view in views if not whole or view.run in log.entries]
    log.expect(view for view in views if view.run not in log.entries)
    _adopt(unsure, target, log)
    _insert([view for view in views if log.entries[view.run].mlflow_run is None], target, log)
    return _send(views, target, log)


def _recognise(target: Target, log: DeliveryLog) -> bool:
    """Whether all that was ever sent to ``target`` is in the log; forget what went elsewhere.

    The study has another parent run if the store was emptied or the parent deleted by hand.
    """
    parent, whole = log.parent()
    if parent != target.parent.mlflow_run:
        whole = parent is None and target.parent.is_new
        log.forget()
        log.set_parent(target.parent.mlflow_run, whole=whole)
    return whole


def _remove_older(views: Sequence[RunView], target: Target, log: DeliveryLog) -> None:
    """Remove the runs of earlier records of the same runs."""
    for view in views:
        older = log.entries.get(view.run)
        if older is None or older.finished == view.finished:
            continue
        if older.mlflow_run is not None:
            target.remove(older.mlflow_run)
        elif found := target.find(view._replace(finished=older.finished)):
            target.remove(found.mlflow_run)
        log.forget([view.run])


def _adopt(views: Sequence[RunView], target: Target, log: DeliveryLog) -> None:
    """Look up runs that may exist: created before a crash, or by a log that was lost."""
    for view in views:
        found = target.find(view)
        if found is None:
            log.expect([view])  # never created, or deleted by hand since
        elif found.done:
            log.done({view.run: found.mlflow_run})
        else:
            log.created(view.run, found.mlflow_run)


def _insert(views: Sequence[RunView], target: Target, log: DeliveryLog) -> None:
    """Create complete runs in one transaction, if the store can; a refusal leaves all of them."""
    if target.bulk is None or not views:
        return
    try:
        ids = target.insert(views)
    except MlflowException as error:
        if error.error_code not in REFUSALS:
            raise
        return  # one by one it will turn out which run is refused
    log.done(dict(zip((view.run for view in views), ids, strict=True)))


def _send(views: Sequence[RunView], target: Target, log: DeliveryLog) -> dict[str, str]:
    """Create and complete what is not done, run by run."""
    refused = {}
    for view in views:
        entry = log.entries[view.run]
        if entry.done:
            continue
        try:
            mlflow_run = entry.mlflow_run or target.create(view)
            log.created(view.run, mlflow_run)
            target.complete(mlflow_run, view)
            log.done({view.run: mlflow_run})
        except MlflowException as error:
            if error.error_code not in REFUSALS:
                raise
            refused[view.run] = f"{view.name}: {error.message}"
    return refused
