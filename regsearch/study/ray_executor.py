"""Ray Tune trains the packs: one reusable actor per slot, one trial per pack."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune

from regsearch import disk
from regsearch.errors import StorageError
from regsearch.study.executors import (
    REPORT_EVERY_S,
    Advanced,
    CheckpointPolicy,
    Event,
    Failed,
    Finished,
    describe,
)
from regsearch.study.pack import Pack
from regsearch.study.packing import processors
from regsearch.study.ray_session import RaySession, Resources
from regsearch.study.stop import StopSwitch
from regsearch.study.work import PackWork
from regsearch.train.pilot import Advice, pilot


class PackTrainable(tune.Trainable):
    """A trial: one pack. The actor is used again for the next pack, imports and all."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take up a pack, from its last checkpoint where there is one."""
        saves: CheckpointPolicy = config["checkpoints"]
        self._work = PackWork(config["pack"], saves.folder, saves.every_s, saves.keep)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up the next pack in the same process."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a moment; the last report carries what came out."""
        progress = self._work.advance(REPORT_EVERY_S)
        done = self._work.done
        return {
            "progress": progress,
            "outcomes": self._work.outcomes if done else None,
            tune.result.DONE: done,
        }

    def cleanup(self) -> None:
        """Save what is unfinished: the study was stopped."""
        if not self._work.done:
            self._work.save()


class _Local:
    """Stays in the driver: Tune writes its callbacks to a file, which nothing here ever reads."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Relay(_Local, tune.Callback):
    """Passes on what Tune reports; a failing listener stops the study instead of Tune."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self.error: Exception | None = None

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A pack trained for a while, or to its end."""
        pack = trial.config["pack"]
        self._pass_on(Advanced(pack, result["progress"]))
        if result["outcomes"] is not None:
            self._pass_on(Finished(pack, result["outcomes"]))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A pack failed, after its retries; a full disk is no run's fault and stops the study."""
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
    ) -> None:
        self._session, self._resources = session, resources
        self._checkpoints, self._max_failures = checkpoints, max_failures

    @property
    def workers(self) -> int:
        """How many packs Ray can train at the same time."""
        if not (self._session.remote or ray.is_initialized()):
            return self._resources.slots(*processors())  # what our own Ray will have
        self._session.wait()
        total = ray.cluster_resources()
        return self._resources.slots(total.get("CPU", 0), total.get("GPU", 0))

    def start(self) -> None:
        """Start Ray in the background."""
        self._session.start()

    def pilot(self, *arguments: Any) -> Advice:
        """In this process; for a cluster on one of its nodes, which may have what we lack."""
        if not self._session.remote:
            return pilot(*arguments)
        self._session.wait()
        node = ray.remote(num_cpus=self._resources.cpu, num_gpus=self._resources.gpu)(pilot)
        advice: Advice = ray.get(node.remote(*arguments))
        return advice

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

    def run(self, packs: Sequence[Pack], tell: Callable[[Event], None], switch: StopSwitch) -> None:
        """Train ``packs`` in order."""
        self._session.wait()
        relay = _Relay(tell)
        with disk.storage_faults(self._session.folder, "write in"):
            self._tune(packs, relay, switch).fit()
        if relay.error is not None:
            raise relay.error

    def _tune(self, packs: Sequence[Pack], relay: _Relay, switch: StopSwitch) -> tune.Tuner:
        wanted = {"cpu": self._resources.cpu, "gpu": self._resources.gpu}
        return tune.Tuner(
            tune.with_resources(PackTrainable, wanted),
            param_space={"pack": tune.grid_search(list(packs)), "checkpoints": self._checkpoints},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(
                name="study",
                storage_path=str(self._session.folder),
                verbose=0,
                callbacks=[relay],
                stop=_Stopper(switch, relay),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=self._max_failures),
            ),
        )


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
