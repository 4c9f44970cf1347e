"""Ray Tune trains the packs: one reusable actor per slot, one trial per pack."""

from __future__ import annotations

import gc
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune

from regsearch import disk
from regsearch.study import ray_data
from regsearch.study.executors import CheckpointPolicy, Event
from regsearch.study.feed import Feed, Packs
from regsearch.study.judging import Judging
from regsearch.study.pack import Pack
from regsearch.study.packing import processors
from regsearch.study.ray_callbacks import Asks, Relay, Stopper, Watch
from regsearch.study.ray_nodes import nodes, require_shared
from regsearch.study.ray_schedulers import make_scheduler
from regsearch.study.ray_session import Node, RaySession, Resources
from regsearch.study.ray_trainable import PackTrainable
from regsearch.study.schedulers import SCHEDULERS, Population
from regsearch.study.stop import StopSwitch
from regsearch.train.pilot import Advice, pilot

KEPT = 6
"""Tune's checkpoints of a trial: of a population's member a copy may be waiting for one."""


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
        slots = self._resources.slots(self._nodes())
        return slots if self._limit is None else min(slots, self._limit)

    def _nodes(self) -> list[Node]:
        """CPUs and GPUs of each node; before it is up, what our own Ray will have."""
        if not (self._session.remote or ray.is_initialized()):
            return [processors()]
        self._session.wait()
        return nodes()

    def _sharing(self) -> int:
        """How many packs share the memory of a device."""
        return min(self._resources.sharing(self._nodes()), self.workers)

    def start(self) -> None:
        """Start Ray in the background."""
        self._session.start()

    def pilot(self, *arguments: Any) -> Advice:
        """In this process; for a cluster on one of its nodes, which may have what we lack."""
        if not self._session.remote:
            return partial(pilot, sharing=self._sharing())(*arguments)
        self._prepare_cluster()
        wanted = {"num_cpus": self._resources.cpu, "num_gpus": self._resources.gpu}
        advice: Advice = ray.get(
            ray.remote(**wanted)(_pilot_on_node).remote(
                self._shelf_name, self._sharing(), *arguments
            )
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
        """End a Ray of our own, and remove what Tune kept where all nodes see it."""
        self._session.close()
        shutil.rmtree(self._checkpoints.folder / "ray", ignore_errors=True)

    def run(self, feed: Feed, tell: Callable[[Event], None], switch: StopSwitch) -> None:
        """Train what ``feed`` hands out."""
        self._session.wait()
        if self._session.remote:
            self._prepare_cluster()
        relay = Relay(tell, self._judging.scheduler.type if self._judging else "")
        with disk.storage_faults(self._session.folder, "write in"), np.errstate(invalid="ignore"):
            for config, space in self._searches(feed):
                try:
                    self._tune(config, space, relay, switch).fit()
                finally:
                    shutil.rmtree(self._tune_folder / "study", ignore_errors=True)
                if switch.pulled() or relay.error is not None:
                    break
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

    def _searches(self, feed: Feed) -> Iterator[tuple[tune.TuneConfig, dict[str, Any]]]:
        """What Tune does: it takes packs as they come, or trains one population after another."""
        judging = self._judging
        if judging is None or not isinstance(judging.scheduler, Population):
            scheduler = make_scheduler(judging) if judging else None
            yield _as_they_come(Asks(feed, self._most()), scheduler), {}
            return
        from regsearch.study.ray_populations import make_population  # and all that PB2 needs

        for population, packs in groupby(iter(feed.next, None), _population):
            if population is None:
                yield _as_they_come(Asks(Packs(list(packs)), None), None), {"judging": None}
                continue
            members = list(packs)
            scheduler = make_population(judging, judging.axes[members[0].runs[0].entry], population)
            space = {"pack": tune.grid_search(members)}
            yield tune.TuneConfig(scheduler=scheduler, reuse_actors=True), space

    def _tune(
        self, config: tune.TuneConfig, space: dict[str, Any], relay: Relay, switch: StopSwitch
    ) -> tune.Tuner:
        wanted = {"cpu": self._resources.cpu, "gpu": self._resources.gpu}
        return tune.Tuner(
            tune.with_resources(PackTrainable, wanted),
            param_space={
                "checkpoints": self._checkpoints,
                "judging": self._judging and replace(self._judging, before=()),
                "shelf": self._shelf_name if self._shelf else None,
                **space,
            },
            tune_config=config,
            run_config=tune.RunConfig(
                name="study",
                storage_path=str(self._tune_folder),
                verbose=0,
                callbacks=[relay, Watch(self._resources, relay.pass_on)],
                stop=Stopper(switch, relay),
                checkpoint_config=tune.CheckpointConfig(KEPT, checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=self._max_failures),
            ),
        )


def _population(pack: Pack) -> str | None:
    return pack.runs[0].task.population


def _as_they_come(asks: Asks, scheduler: Any) -> tune.TuneConfig:
    """Until there are no more packs."""
    return tune.TuneConfig(search_alg=asks, scheduler=scheduler, num_samples=-1, reuse_actors=True)


def _pilot_on_node(shelf: str, sharing: int, *arguments: Any) -> Advice:
    ray_data.use_shelf(shelf)
    return partial(pilot, sharing=sharing)(*arguments)
