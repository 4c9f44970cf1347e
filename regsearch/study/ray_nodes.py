"""The nodes of a cluster: what they have, and whether they can do their part in a study."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from regsearch.errors import ServiceError, StorageError
from regsearch.study.place import Place, here
from regsearch.study.ray_session import Node

PATIENCE_S = 120.0
"""A node starts a worker process for the question, which imports torch."""


def require_shared(folder: Path) -> None:
    """See that every node finds and may write ``folder``.

    Raises:
        StorageError: one does not; the message names all of them.
        ServiceError: a node does not answer, or regsearch is not installed there.
    """
    there = _alive()
    if len(there) < 2:
        return
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f".{secrets.token_hex(8)}.mark"
    mark.touch()
    try:
        problems = _ask(there, mark)
    finally:
        mark.unlink(missing_ok=True)
    if problems:
        raise StorageError(
            f"{folder} must lie where all nodes of the cluster see it, for packs are saved there: "
            f"{'; '.join(problems)}. Name a folder of shared storage with --output"
        )


def nodes() -> list[Node]:
    """CPUs and GPUs of each node that is alive; those of one do not add to those of another."""
    found = [node["Resources"] for node in _alive()]
    return [(held.get("CPU", 0.0), held.get("GPU", 0.0)) for held in found]


def ray_place(device: str) -> Place:
    """This worker, and what Ray has reserved for it."""
    reserved = ray.get_runtime_context().get_assigned_resources()
    return replace(
        here(device),
        address=ray.util.get_node_ip_address(),
        cpus=reserved.get("CPU", 0.0),
        gpus=reserved.get("GPU", 0.0),
        gpu_ids=tuple(map(str, ray.get_gpu_ids())),
    )


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _ask(there: list[dict[str, Any]], mark: Path) -> list[str]:
    asked = {}
    for node in there:
        on_it = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = ray.remote(num_cpus=0, scheduling_strategy=on_it)(problem_here)
        asked[node["NodeManagerAddress"]] = task.remote(str(mark))
    told = [_answer(address, answer) for address, answer in asked.items()]
    return [problem for problem in told if problem]


def _answer(address: str, answer: Any) -> str | None:
    try:
        told: str | None = ray.get(answer, timeout=PATIENCE_S)
    except ray.exceptions.RayError as failed:
        last = str(failed).strip().rpartition("\n")[2] or type(failed).__name__
        raise ServiceError(
            f"node {address} cannot take part in a study: {last}. The same versions of Python, "
            "Ray and regsearch must be installed on all nodes"
        ) from failed
    return told


def problem_here(mark: str) -> str | None:
    """What keeps this node from saving beside the file ``mark`` of the driver, in words."""
    host = socket.gethostname()
    if not Path(mark).exists():
        return f"{host} does not see it"
    if not os.access(Path(mark).parent, os.W_OK):
        return f"{host} may not write there"
    return None
