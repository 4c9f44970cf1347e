"""The driver's data for nodes that lack the files: each set goes to a node once.

A node's own files are used where they hold the same. Otherwise the set comes through Ray's object
store, which the workers of a node share.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from regsearch.datasets import DATASETS, Data, Dataset, DatasetConfig
from regsearch.errors import DataError
from regsearch.space import per_run_fields, place_fields

PLACES = ("REGSEARCH_DATA", "XDG_CACHE_HOME")


class Shelf:
    """An actor beside the driver that reads a data set when the first worker asks for it."""

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}

    def fingerprint(self, config: DatasetConfig) -> str:
        """What identifies the driver's files."""
        return DATASETS[config.kind].fingerprint(config)

    def data(self, config: DatasetConfig) -> Any:
        """A reference to the data, which are in the object store once they were asked for."""
        key = _key(config)
        if key not in self._held:
            self._held[key] = ray.put(DATASETS[config.kind].load(config))
        return self._held[key]


def start_shelf(name: str) -> Any:
    """Start the shelf on this node, in whose files it looks; it lives as long as its handle."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    places = {name: os.environ[name] for name in PLACES if name in os.environ}
    actor: Any = ray.remote(Shelf)
    return actor.options(
        name=name, num_cpus=0, scheduling_strategy=here, runtime_env={"env_vars": places}
    ).remote()


@lru_cache(maxsize=1)
def use_shelf(name: str) -> None:
    """Let this worker take from the shelf what it does not have in the same form itself."""
    shelf: Any = ray.get_actor(name)
    for kind in DATASETS:
        if place_fields(DATASETS[kind].config):
            DATASETS.replace(kind, from_driver(DATASETS[kind], shelf))


def from_driver(own: Dataset, shelf: Any) -> Dataset:
    """A data set of files, read here if they are those of the driver, else sent by it."""
    held: dict[str, Data] = {}
    known: dict[str, str] = {}

    def fingerprint(config: DatasetConfig) -> str:
        key = _key(config)
        if key not in known:
            known[key] = ray.get(shelf.fingerprint.remote(config))
        return known[key]

    def load(config: DatasetConfig) -> Data:
        if _has(own, config, fingerprint(config)):
            return own.load(_as_it_is(config))
        key = _key(config)
        if key not in held:
            held.clear()  # one at a time: they may be large
            held[key] = ray.get(ray.get(shelf.data.remote(config)))
        return held[key]

    return own._replace(load=load, fingerprint=fingerprint)


def _has(own: Dataset, config: DatasetConfig, fingerprint: str) -> bool:
    """Whether the files of this node hold what those of the driver hold."""
    try:
        return (
            own.fingerprint(config) == fingerprint
            and own.load(_as_it_is(config)).fingerprint == fingerprint
        )
    except DataError:
        return False


def _as_it_is(config: DatasetConfig) -> DatasetConfig:
    """Without a download: the driver has the data already."""
    fetched = "download" in type(config).model_fields
    return config.model_copy(update={"download": False}) if fetched else config


def _key(config: DatasetConfig) -> str:
    """What the data depend on: all but the values of each run."""
    return config.model_dump_json(exclude=set(per_run_fields(type(config))))
