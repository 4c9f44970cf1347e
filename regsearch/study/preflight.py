"""What would make every run fail is found before the first one starts."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from regsearch.regularizers import REGULARIZERS
from regsearch.space import Kind, per_run_fields
from regsearch.study.expand import PlannedRun
from regsearch.train.data import load_data
from regsearch.train.initial import build_model
from regsearch.train.task import Task


def check_runs(runs: Iterable[PlannedRun]) -> None:
    """Read each data set and build each model once, as a pack of ``runs`` would.

    Raises:
        DataError: a data set is missing, damaged or too small; the message says how to get it.
        SpecError: a regularizer finds nothing in a model to act on.
    """
    shapes: dict[str, tuple[tuple[int, ...], int]] = {}
    built: set[tuple[str, ...]] = set()
    for task in (run.task for run in runs):
        dataset = _structure(task.dataset)
        if dataset not in shapes:
            data = load_data([task], torch.device("cpu"))
            shapes[dataset] = tuple(data.x_train.shape[1:]), data.classes
        model = (dataset, _structure(task.model), *map(_structure, task.regularizers))
        if model not in built:
            built.add(model)
            _build(task, *shapes[dataset])


def _structure(config: Kind) -> str:
    return config.model_dump_json(exclude=set(per_run_fields(type(config))))


def _build(task: Task, input_shape: tuple[int, ...], classes: int) -> None:
    """Without data: shapes and layers are all that the checks look at."""
    with torch.device("meta"):
        model = build_model(task, input_shape, classes)
        params = {name: param.detach()[None] for name, param in model.named_parameters()}
        for config in task.regularizers:
            REGULARIZERS[config.kind].plan(model, params, config)
