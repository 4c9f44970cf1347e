"""Is everything there that a study needs? Each finding says what to do where it is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import NamedTuple

from regsearch import disk
from regsearch.api.study import STUDIES
from regsearch.study.provenance import versions
from regsearch.track import Tracking, reachable


class Finding(NamedTuple):
    """One thing that was looked at; ``ok`` unless a study would lack it."""

    what: str
    ok: bool
    told: str


def examine() -> list[Finding]:
    """Look at versions, devices, compiler, Ray, MLflow, data and disk."""
    return [*_versions(), *_devices(), _compiler(), _ray(), _mlflow(), _data(), _disk()]


def _versions() -> Iterator[Finding]:
    found = versions()
    told = ", ".join(f"{name} {number}" for name, number in found.items())
    yield Finding("versions", sys.version_info >= (3, 11), told)
    missing = [name for name in ("torch", "torchvision", "ray", "mlflow") if name not in found]
    if missing:
        yield Finding("packages", False, f"missing {', '.join(missing)}: pip install regsearch")


def _devices() -> Iterator[Finding]:
    import torch

    yield Finding("cpu", True, f"{len(os.sched_getaffinity(0))} cores for this process")
    if not torch.cuda.is_available():
        yield Finding("gpu", True, "none seen by torch: studies train on the CPU")
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        told = f"{card.name}, {card.total_memory / 2**30:.0f} GiB: set resources_per_trial.gpu"
        yield Finding(f"gpu {index}", True, told)


def _compiler() -> Finding:
    from regsearch.train.compile import compiler_found

    if compiler_found():
        return Finding("compiler", True, "there is one: packs are compiled where it pays")
    told = "none (no g++, no $CXX): packs run uncompiled, 2-4 times slower; install g++"
    return Finding("compiler", True, told)


def _ray() -> Finding:
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        return Finding("ray", True, "one is started for each study; --address for a cluster")
    told = f"RAY_ADDRESS={address} is only used with `run --address {address}`"
    return Finding("ray", True, told)


def _mlflow() -> Finding:
    problem = reachable(Tracking())
    return Finding("mlflow", problem is None, problem or "the default tracking store answers")


def _data() -> Finding:
    from regsearch.datasets._official import OfficialConfig, data_root

    root = data_root(OfficialConfig(kind="mnist"))
    if root.is_dir():
        held = ", ".join(sorted(entry.name for entry in root.iterdir())) or "empty"
        return Finding("data", True, f"{root}: {held}")
    if "REGSEARCH_DATA" in os.environ:
        return Finding("data", False, f"REGSEARCH_DATA={root} is no folder: make it, or unset it")
    told = f"no {root} yet: mnist and its like need it, $REGSEARCH_DATA or data_root; digits works"
    return Finding("data", True, told)


def _disk() -> Finding:
    folder = STUDIES.absolute() if STUDIES.exists() else STUDIES.absolute().parent
    free = disk.free_bytes(folder) / 2**30
    return Finding("disk", free > 1, f"{free:,.1f} GiB free at {folder}")
