"""Where a pack is trained: a process on a node, and its share of what is there."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

PROCESSORS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Place:
    """One worker; without Ray it has no address, and no share is reserved for it."""

    node: str  # host name
    device: str  # what computes, by its maker's name
    process: int
    address: str | None = None  # of the node, as Ray knows it
    cpus: float | None = None
    gpus: float | None = None
    gpu_ids: tuple[str, ...] = ()  # on that node

    def __str__(self) -> str:
        """``worker-1 (10.0.0.7), 1 CPU, GPU 0 (0.5 of it)``."""
        parts = [f"{self.node} ({self.address})" if self.address else self.node]
        if self.cpus is not None:
            parts.append(f"{self.cpus:g} CPU{'' if self.cpus == 1 else 's'}")
        if self.gpu_ids:
            share = f" ({self.gpus:g} of it)" if self.gpus is not None and self.gpus < 1 else ""
            ids = ", ".join(self.gpu_ids)
            parts.append(f"GPU{'s' if len(self.gpu_ids) > 1 else ''} {ids}{share}")
        return ", ".join(parts)


def here(device: str) -> Place:
    """This process, where it computes on ``device`` (``cpu``, ``cuda``)."""
    return Place(socket.gethostname(), name_of(device), os.getpid())


@lru_cache(maxsize=4)
def name_of(device: str) -> str:
    """``NVIDIA H200``, ``AMD EPYC 7B13``; the machine's architecture where it has no such name."""
    if torch.device(device).type == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_name(device)
    lines = PROCESSORS.read_text().splitlines() if PROCESSORS.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.machine()
