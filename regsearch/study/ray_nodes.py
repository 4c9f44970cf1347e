"""Whether the nodes of a cluster can do their part, found out before a study begins."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from regsearch.errors import ServiceError, StorageError

PATIENCE_S = 120.0
"""A node starts a worker process for the question, which imports torch."""


def require_shared(folder: Path) -> None:
    """See that every node finds and may write ``folder``.

    Raises:
        StorageError: one does not; the message names all of them.
        ServiceError: a node does not answer, or regsearch is not installed there.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) < 2:
        return
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f".{secrets.token_hex(8)}.mark"
    mark.touch()
    try:
        problems = _ask(nodes, mark)
    finally:
        mark.unlink(missing_ok=True)
    if problems:
        raise StorageError(
            f"{folder} must lie where all nodes of the cluster see it, for packs are saved there: "
            f"{'; '.join(problems)}. Name a folder of shared storage with --output"
        )


def _ask(nodes: list[dict[str, Any]], mark: Path) -> list[str]:
    asked = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = ray.remote(num_cpus=0, scheduling_strategy=there)(problem_here)
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
