"""What would make every run fail is found before the first one starts."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from regsearch.space import per_run_fields
from regsearch.study.expand import PlannedRun
from regsearch.train.data import load_data


def check_data(runs: Iterable[PlannedRun]) -> None:
    """Read each data set once, as a pack of ``runs`` would.

    Raises:
        DataError: one is missing, damaged or too small; the message says how to get it.
    """
    seen: set[str] = set()
    for run in runs:
        dataset = run.task.dataset
        shared = dataset.model_dump_json(exclude=set(per_run_fields(type(dataset))))
        if shared not in seen:
            seen.add(shared)
            load_data([run.task], torch.device("cpu"))
