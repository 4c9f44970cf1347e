"""Ray Tune trains the packs: one reusable actor per slot, one trial per pack."""

from __future__ import annotations

import gc
import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune
from ray.tune.search import Searcher

from regsearch import disk
from regsearch.errors import StorageError
from regsearch.records import Status
from regsearch.study import ray_data
from regsearch.study.executors import (
    REPORT_EVERY_S,
    Advanced,
    CheckpointPolicy,
    Event,
    Failed,
    Finished,
    describe,
)
from regsearch.study.feed import Feed
from regsearch.study.judging import EPOCH, VALUE, Judging
from regsearch.study.packing import processors
from regsearch.study.ray_nodes import require_shared
from regsearch.study.ray_schedulers import make_scheduler
from regsearch.study.ray_session import RaySession, Resources
from regsearch.study.schedulers import SCHEDULERS
from regsearch.study.stop import StopSwitch
from regsearch.study.work import PackWork
from regsearch.train.pilot import Advice, pilot

DIVERGED = "a diverged run of its cell"
"""What ends a trial that has not come to its end, if no scheduler does."""


class PackTrainable(tune.Trainable):
    """A trial: one pack. The actor is used again for the next pack, imports and all.

    Under a scheduler it reports after every epoch, with all that would be recorded if it were
    stopped then; a run that diverges ends its trial, for a scheduler alone might never.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take up a pack, from its last checkpoint where there is one."""
        if config["shelf"]:
            ray_data.use_shelf(config["shelf"])
        saves: CheckpointPolicy = config["checkpoints"]
        self._judging: Judging | None = config["judging"]
        whole = self._judging is not None
        pack = config["pack"]
        self._work = PackWork(pack, saves.folder, saves.every_s, saves.keep, whole=whole)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up the next pack in the same process."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a moment; the last report carries what came out."""
        if self._judging is not None:
            return self._judged(self._judging)
        progress = self._work.advance(REPORT_EVERY_S)
        done = self._work.done
        return {
            "progress": progress,
            "outcomes": self._work.outcomes if done else None,
            tune.result.DONE: done,
        }

    def _judged(self, judging: Judging) -> dict[str, Any]:
        """Train an epoch; the report carries what has come out so far."""
        progress = self._work.advance(0.0)
        outcomes = self._work.so_far()
        results = [outcome.result for outcome in outcomes if outcome.result]
        lost = any(result.status == Status.DIVERGED for result in results)
        over = lost and not self._work.done
        return {
            "progress": progress,
            "outcomes": outcomes,
            "by": DIVERGED if over else None,
            VALUE: judging.value([result.curves for result in results], lost),
            EPOCH: max(result.epochs for result in results),
            tune.result.DONE: over or self._work.done,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the pack where it will be looked for: the scheduler lets it wait for others.

        Tune wants a file of its own.
        """
        self._work.save()
        Path(checkpoint_dir, "pack").touch()

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: a pack goes on from its own checkpoint, whoever had stopped it."""

    def cleanup(self) -> None:
        """Save what is unfinished: the study was stopped."""
        if not self._work.done:
            self._work.save()


class _Local:
    """Stays in the driver: Tune writes its callbacks to a file, which nothing here ever reads."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Asks(_Local, Searcher):
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


class _Relay(_Local, tune.Callback):
    """Passes on what Tune reports; a failing listener stops the study instead of Tune."""

    def __init__(self, tell: Callable[[Event], None], scheduler: str) -> None:
        self._tell, self._scheduler = tell, scheduler
        self._so_far: dict[str, Any] = {}  # last report of each trial that a scheduler may stop
        self.error: Exception | None = None

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A pack trained for a while, or to its end."""
        self._pass_on(Advanced(trial.config["pack"], result["progress"]))
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
            self._pass_on(Finished(trial.config["pack"], result["outcomes"], by))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A pack failed, after its retries; a full disk is no run's fault and stops the study."""
        self._so_far.pop(trial.trial_id, None)
        error = _cause(trial)
        if isinstance(error, StorageError):
            self.error = self.error or error
        else:
            self._pass_on(Failed(trial.config["pack"], _reason(error)))

    def _pass_on(self, event: Event) -> None:
        if self.error is None:
            try:
                self._tell(event)
            except Exception as error:
                self.error = error


class _Stopper(_Local, tune.Stopper):
    """Ends all trials when the switch is pulled, or a listener failed."""

    def __init__(self, switch: StopSwitch, relay: _Relay) -> None:
        self._switch, self._relay = switch, relay

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is stopped from here."""
        return False

    def stop_all(self) -> bool:
        """Asked by Tune all the time."""
        return self._switch.pulled() or self._relay.error is not None


class RayExecutor:
    """Packs as trials of Ray Tune, on this machine or on a cluster."""

    def __init__(
        self,
        session: RaySession,
        resources: Resources,
        checkpoints: CheckpointPolicy,
        max_failures: int,
        *,
        limit: int | None = None,
        waits: bool = False,
        judging: Judging | None = None,
    ) -> None:
        """What trains, and how.

        Args:
            session: a Ray.
            resources: what a pack takes of it.
            checkpoints: where packs in training are saved.
            max_failures: how often a pack that failed is tried again.
            limit: packs at the same time, at most.
            waits: whether a pack depends on what came out of others: none is taken ahead of time.
            judging: which scheduler may stop trials, and by what.
        """
        self._session, self._resources = session, resources
        self._checkpoints, self._max_failures = checkpoints, max_failures
        self._limit, self._waits, self._judging = limit, waits, judging
        self._shelf_name = f"regsearch-{secrets.token_hex(8)}"
        self._shelf: Any = None  # the driver's data, for the other nodes of a cluster

    @property
    def workers(self) -> int:
        """How many packs Ray can train at the same time."""
        there = processors()  # what our own Ray will have
        if self._session.remote or ray.is_initialized():
            self._session.wait()
            total = ray.cluster_resources()
            there = total.get("CPU", 0), total.get("GPU", 0)
        slots = self._resources.slots(*there)
        return slots if self._limit is None else min(slots, self._limit)

    def start(self) -> None:
        """Start Ray in the background."""
        self._session.start()

    def pilot(self, *arguments: Any) -> Advice:
        """In this process; for a cluster on one of its nodes, which may have what we lack."""
        if not self._session.remote:
            return pilot(*arguments)
        self._prepare_cluster()
        wanted = {"num_cpus": self._resources.cpu, "num_gpus": self._resources.gpu}
        advice: Advice = ray.get(
            ray.remote(**wanted)(_pilot_on_node).remote(self._shelf_name, *arguments)
        )
        return advice

    def _prepare_cluster(self) -> None:
        """See that all nodes can save where the driver looks, and have its data at hand."""
        self._session.wait()
        if self._shelf is None:
            require_shared(self._checkpoints.folder)
            self._shelf = ray_data.start_shelf(self._shelf_name)

    def release(self) -> None:
        """Begin to end a Ray of our own.

        What Tune left behind goes first: a handle that is collected once Ray has ended takes this
        process with it.
        """
        gc.collect()
        self._session.release()

    def close(self) -> None:
        """End a Ray of our own."""
        self._session.close()

    def run(self, feed: Feed, tell: Callable[[Event], None], switch: StopSwitch) -> None:
        """Train what ``feed`` hands out."""
        self._session.wait()
        if self._session.remote:
            self._prepare_cluster()
        relay = _Relay(tell, self._judging.scheduler.type if self._judging else "")
        with disk.storage_faults(self._session.folder, "write in"), np.errstate(invalid="ignore"):
            try:
                self._tune(feed, relay, switch).fit()
            finally:
                shutil.rmtree(self._checkpoints.folder / "ray", ignore_errors=True)
        if relay.error is not None:
            raise relay.error

    @property
    def _tune_folder(self) -> Path:
        """Where Tune keeps its own state: all nodes of a cluster must see it, too."""
        shared = self._session.remote
        return self._checkpoints.folder / "ray" if shared else self._session.folder

    def _most(self) -> int | None:
        """Trials at the same time; where they wait for each other, those that wait count too."""
        pauses = self._judging is not None and SCHEDULERS[self._judging.scheduler.type].pauses
        return self.workers if self._waits and not pauses else self._limit

    def _tune(self, feed: Feed, relay: _Relay, switch: StopSwitch) -> tune.Tuner:
        wanted = {"cpu": self._resources.cpu, "gpu": self._resources.gpu}
        return tune.Tuner(
            tune.with_resources(PackTrainable, wanted),
            param_space={
                "checkpoints": self._checkpoints,
                "judging": self._judging and replace(self._judging, before=()),
                "shelf": self._shelf_name if self._shelf else None,
            },
            tune_config=tune.TuneConfig(
                search_alg=_Asks(feed, self._most()),
                scheduler=make_scheduler(self._judging) if self._judging else None,
                num_samples=-1,  # until the feed is done
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="study",
                storage_path=str(self._tune_folder),
                verbose=0,
                callbacks=[relay],
                stop=_Stopper(switch, relay),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=self._max_failures),
            ),
        )


def _pilot_on_node(shelf: str, *arguments: Any) -> Advice:
    ray_data.use_shelf(shelf)
    return pilot(*arguments)


def _cause(trial: Any) -> BaseException | None:
    """What a worker raised; Tune notes it on this machine first, and in its storage too late."""
    if trial.pickled_error_file is None:
        return None
    error = ray.cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return error.cause if isinstance(error, ray.exceptions.RayTaskError) else error


def _reason(error: BaseException | None) -> str:
    if isinstance(error, ray.exceptions.RayActorError):
        told = str(error).rpartition("Worker exit detail: ")[2].partition(" Some common causes")[0]
        return (
            "WorkerDied: the worker process was killed, ran out of memory or crashed. Ray says: "
            + (told.splitlines() or ["nothing"])[0]
        )
    return describe(error) if error else "Ray Tune ended the trial without saying why"
