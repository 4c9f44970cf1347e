"""What would make every run fail is found before the first one starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from regsearch.augmentations import problems as augmentation_problems
from regsearch.datasets import DatasetConfig
from regsearch.errors import DataError, RegsearchError
from regsearch.metrics import MEASUREMENTS, Outline
from regsearch.mistakes import Where, show
from regsearch.regularizers import REGULARIZERS
from regsearch.space import Kind, per_run_fields
from regsearch.study.problems import Problem
from regsearch.study.spec import Pipeline
from regsearch.study.trials import PlannedRun
from regsearch.train.data import PackData, load_data
from regsearch.train.initial import build_model
from regsearch.train.task import Task


def check_runs(pipeline: Pipeline, runs: Iterable[PlannedRun], *, download: bool = True) -> None:
    """Read each data set and build each model once, as a pack of ``runs`` would.

    Args:
        pipeline: where the runs are from.
        runs: those to check.
        download: fetch data that are missing, where the pipeline asks for it.

    Raises:
        SpecError: a model does not fit its data, a regularizer finds nothing in a model to act on,
            an augmentation cannot change its data, or a measurement cannot be; all that there are,
            but for those of data not read.
        DataError: nothing of this, but a data set is missing, damaged or too small; the message
            says how to get it.
    """
    examples: dict[str, PackData | DataError] = {}
    seen: set[tuple[str, ...]] = set()
    problems: list[Problem] = []
    for run in runs:
        task, dataset = run.task, _structure(run.task.dataset)
        if dataset not in examples:
            examples[dataset] = _example(task, download)
        data = examples[dataset]
        if isinstance(data, DataError):
            continue
        model = (dataset, *map(_structure, (task.model, *task.regularizers, *task.measure)))
        changes = (dataset, "augment", *map(_structure, task.train.augment))
        problems += [] if model in seen else _problems(task, run.entry, data)
        problems += [] if changes in seen else _wrong_changes(run, data)
        seen |= {model, changes}
    if problems:
        raise pipeline.error(problems)
    for data in examples.values():
        if isinstance(data, DataError):
            raise data


def _structure(config: Kind) -> str:
    return config.model_dump_json(exclude=set(per_run_fields(type(config))))


def _example(task: Task, download: bool) -> PackData | DataError:
    """One training example, so that the data sets of a large study are not held all at once."""
    dataset = task.dataset if download else _as_it_is(task.dataset)
    try:
        data = load_data([task.model_copy(update={"dataset": dataset})], torch.device("cpu"))
    except DataError as refused:
        return refused
    return data._replace(
        x_train=data.x_train[:1].clone(),
        y_train=data.y_train[:, :1].clone(),
        x_validation=data.x_validation[:0].clone(),
        x_test=data.x_test[:0].clone(),
    )


def _as_it_is(dataset: DatasetConfig) -> DatasetConfig:
    fetched = "download" in type(dataset).model_fields
    return dataset.model_copy(update={"download": False}) if fetched else dataset


def _problems(task: Task, entry: int, data: PackData) -> list[Problem]:
    problems: list[Problem] = []
    on = f"the model {show(task.model.model_dump(mode='json', exclude_unset=True))}"
    asked_by: Where = ("search_space", "regularizers", entry)
    with _noting(problems, ("model",), on):
        _build(task.model_copy(update={"regularizers": []}), data)
        kinds = " + ".join(config.kind for config in task.regularizers)
        with _noting(problems, asked_by, f"{kinds} on {on}"):
            model = _build(task, data)
            params = {name: param.detach()[None] for name, param in model.named_parameters()}
            for config in task.regularizers:
                with _noting(problems, asked_by, f"{config.kind} on {on}"), torch.device("meta"):
                    REGULARIZERS[config.kind].plan(model, params, config)
            outline = Outline(model, data.x_train, data.y_train[0], data.pixels, data.y_test[0])
            for number, wanted in enumerate(task.measure):
                with _noting(problems, ("measure", number), f"{wanted.kind} of {on}"):
                    MEASUREMENTS[wanted.kind].check(wanted, outline)
    return problems


def _wrong_changes(run: PlannedRun, data: PackData) -> list[Problem]:
    """Augmentations that its examples do not allow, where they were written."""
    factor: Where = ("factors", "train.augment")
    return [
        (factor if factor[1] in run.factors else ("train", "augment", index), text)
        for index, config in enumerate(run.task.train.augment)
        for text in augmentation_problems(config, data.x_train)
    ]


def _build(task: Task, data: PackData) -> nn.Module:
    """Without weights: shapes and layers are all that the checks look at."""
    with torch.device("meta"):
        return build_model(task, data)


@contextmanager
def _noting(problems: list[Problem], where: Where, what: str) -> Iterator[None]:
    """Leave the block where something is refused, and note that ``what`` lies at ``where``."""
    try:
        yield
    except RegsearchError as refused:
        kind = what.partition(" ")[0]  # many a message begins with it, too
        lines = str(refused).splitlines()
        problems += [(where, f"{what}: {line.removeprefix(f'{kind}: ')}") for line in lines]
