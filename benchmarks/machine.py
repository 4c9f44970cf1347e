"""What the machine can do, measured beside every benchmark: a ratio means little without it."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable


def describe() -> str:
    """Processor, cores, load, and the ceilings of one thread."""
    import torch

    torch.set_num_threads(1)
    a, out = torch.randn(1024, 1024), torch.empty(1024, 1024)
    gemm = 2 * 1024**3 / best_of(lambda: torch.mm(a, a, out=out)) / 1e9
    big = torch.empty(16 * 2**20)
    copy = 2 * big.nbytes / best_of(lambda: big.mul_(1.0)) / 1e9
    return (
        f"{processor()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; "
        f"one thread: {gemm:.0f} GFLOP/s fp32 GEMM, {copy:.0f} GB/s in place; "
        f"torch {torch.__version__}"
    )


def processor() -> str:
    """The processor's name, without the machine's."""
    try:
        with open("/proc/cpuinfo") as info:
            names = [
                line.split(":", 1)[1].strip() for line in info if line.startswith("model name")
            ]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def best_of(act: Callable[[], object], rounds: int = 7) -> float:
    """Shortest of several timings, seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return min(times)


def median(times: list[float]) -> float:
    """Median, seconds."""
    return statistics.median(times)
