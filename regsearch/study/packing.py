"""How the runs of one structure are packed: from the file, or from a pilot measured here."""

from __future__ import annotations

import os
from typing import Any

from regsearch.study.expand import PlannedRun
from regsearch.study.spec import Pipeline
from regsearch.train.engine import Engine


def processors() -> tuple[float, float]:
    """CPUs and GPUs that this process may use."""
    import torch

    return len(os.sched_getaffinity(0)), torch.cuda.device_count()


class Chooser:
    def __init__(self, spec: Pipeline, workers: int, remembered: dict[str, Any]) -> None:
        self.remembered = dict(remembered)
        self.seconds = 1.0
        self.bytes = 0

    def choose(self, structure: str, runs: list[PlannedRun]) -> tuple[int, Engine]:
        return 64, Engine()
