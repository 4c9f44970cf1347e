"""The driver's side of Ray Tune: where it takes packs from, what it tells, when it stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher

from regsearch.errors import RegsearchError, StorageError
from regsearch.study.executors import Advanced, Begun, Event, Failed, Finished, Waiting, describe
from regsearch.study.feed import Feed
from regsearch.study.ray_nodes import nodes
from regsearch.study.ray_session import Resources
from regsearch.study.stop import StopSwitch

IDLE_S = 10.0
"""Seconds without a trial in training, after which the study says why."""


class _Local:
    """Stays in the driver: Tune writes its callbacks to a file, which nothing here ever reads."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Asks(_Local, Searcher):
    """Lets Tune take packs from a feed, which may have none until others are in."""

    def __init__(self, feed: Feed, most: int | None) -> None:
        """``most``: trials at the same time, those that wait for others included."""
        super().__init__()
        self._feed, self._most = feed, most
        self._live: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """The next pack, none yet, or none any more."""
        if self._feed.done:
            return Searcher.FINISHED
        if self._most is not None and len(self._live) >= self._most:
            return None
        pack = self._feed.next()
        if pack is None:
            return Searcher.FINISHED if self._feed.done else None
        self._live.add(trial_id)
        return {"pack": pack}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A place is free again."""
        self._live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a study is never restored from what Tune keeps."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""


class Relay(_Local, tune.Callback):
    """Passes on what Tune reports; a failing listener stops the study instead of Tune."""

    def __init__(self, tell: Callable[[Event], None], scheduler: str) -> None:
        self._tell, self._scheduler = tell, scheduler
        self._so_far: dict[str, Any] = {}  # last report of each trial that a scheduler may stop
        self.error: Exception | None = None

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A pack has got an actor: at first, after a failure, or after it has waited."""
        self.pass_on(Begun(trial.config["pack"]))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A pack trained for a while, or to its end."""
        pack, place = trial.config["pack"], result.get("place")
        self.pass_on(Advanced(pack, result["progress"], place))
        if result["outcomes"] is None:
            return
        self._so_far[trial.trial_id] = result
        if result[tune.result.DONE]:  # by itself, or the scheduler says so
            self._finish(trial)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A scheduler stopped a pack that was waiting for others."""
        self._finish(trial)

    def _finish(self, trial: Any) -> None:
        result = self._so_far.pop(trial.trial_id, None)
        if result is not None:
            by = result.get("by") or self._scheduler
            self.pass_on(Finished(trial.config["pack"], result["outcomes"], by))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A pack failed, after its retries; a full disk is no run's fault and stops the study."""
        self._so_far.pop(trial.trial_id, None)
        error = _cause(trial)
        if isinstance(error, StorageError):
            self.error = self.error or error
        else:
            self.pass_on(Failed(trial.config["pack"], _reason(error)))

    def pass_on(self, event: Event) -> None:
        """Tell the driver, unless it has failed."""
        if self.error is None:
            try:
                self._tell(event)
            except Exception as error:
                self.error = error


class Watch(_Local, tune.Callback):
    """Tells why nothing is trained: Tune itself would wait in silence for a node that is lost."""

    def __init__(self, resources: Resources, tell: Callable[[Event], None]) -> None:
        self._resources, self._tell = resources, tell
        self._busy_at = self._looked_at = time.monotonic()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Asked by Tune all the time."""
        now = time.monotonic()
        if now - self._looked_at < 1.0:
            return
        self._looked_at, states = now, {trial.status for trial in trials}
        if "RUNNING" in states or "PENDING" not in states:
            self._busy_at = now
        elif now - self._busy_at > IDLE_S:
            self._tell(Waiting(self._lack()))

    def _lack(self) -> str:
        try:
            self._resources.slots(nodes())
        except RegsearchError:  # no node that is left has what a trial needs
            gpus = f" and {self._resources.gpu:g} GPUs" if self._resources.gpu else ""
            return f"a node with {self._resources.cpu:g} CPUs{gpus}"
        return "a worker to start, or to be free"


class Stopper(_Local, tune.Stopper):
    """Ends all trials when the switch is pulled, or a listener failed."""

    def __init__(self, switch: StopSwitch, relay: Relay) -> None:
        self._switch, self._relay = switch, relay

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is stopped from here."""
        return False

    def stop_all(self) -> bool:
        """Asked by Tune all the time."""
        return self._switch.pulled() or self._relay.error is not None


def _cause(trial: Any) -> BaseException | None:
    """What a worker raised; Tune notes it on this machine first, and in its storage too late."""
    if trial.pickled_error_file is None:
        return None
    error = ray.cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return error.cause if isinstance(error, ray.exceptions.RayTaskError) else error


def _reason(error: BaseException | None) -> str:
    if isinstance(error, ray.exceptions.RayActorError):
        _, died, told = str(error).rpartition("Worker exit detail: ")
        if not died:  # it was never alive
            return f"WorkerDied: the worker process did not start: {told.strip().splitlines()[-1]}"
        return (
            "WorkerDied: the worker process was killed, ran out of memory or crashed. Ray says: "
            + (told.partition(" Some common causes")[0].splitlines() or ["nothing"])[0]
        )
    return describe(error) if error else "Ray Tune ended the trial without saying why"
