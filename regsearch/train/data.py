"""The data of a pack: resident on the device, one set of targets per run."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from regsearch.datasets import DATASETS, Data, Drawn
from regsearch.errors import DataError
from regsearch.pixels import Pixels
from regsearch.space import per_run_fields
from regsearch.train.seeds import generator
from regsearch.train.task import Task


class PackData(NamedTuple):
    """Inputs are shared by the runs; targets carry what was drawn for each run, such as noise.

    Targets are classes (int64) or values (float32, with a last axis of ``classes`` entries). They
    are views of one set where all runs have the same.
    """

    x_train: Tensor  # [N, ...]
    y_train: Tensor  # [K, N] or [K, N, C]
    x_validation: Tensor  # [M, ...]
    y_validation: Tensor  # [K, M] or [K, M, C]
    x_test: Tensor  # [T, ...]
    y_test: Tensor  # [K, T] or [K, T, C], without noise
    classes: int  # outputs of a model
    y_true: Tensor | None = None  # [N], training classes without noise; None: values
    vocabulary: int = 0  # how many words x is made of; 0: x holds values
    embedding: Tensor | None = None  # [vocabulary, D], what is known of each word
    pixels: Pixels | None = None  # the scale of x; None: it is not known, or x is no image


def load_data(tasks: Sequence[Task], device: torch.device) -> PackData:
    """Read the data set and draw each run's targets, before examples are held out for validation.

    The same examples are held out in every run of every study, so that runs can be compared.

    Raises:
        DataError: nothing is left for training.
    """
    config = tasks[0].dataset
    dataset = DATASETS[config.kind]
    data = dataset.load(config)
    train, validation = _split(data, config.kind, config.validation)
    drawn: dict[Hashable, Drawn] = {}
    keys = [_what_shapes_targets(task) for task in tasks]
    for key, task in zip(keys, tasks, strict=True):
        if key not in drawn:
            drawn[key] = dataset.draw(data, task.dataset, task.seed)
    noisy, clean = [drawn[key].y_train for key in keys], [data.y_train for _ in keys]
    pack = PackData(
        data.x_train[train].to(device),
        _stack(noisy, train, device),
        data.x_train[validation].to(device),
        _stack(clean if config.clean_validation else noisy, validation, device),
        data.x_test.to(device),
        _stack([drawn[key].y_test for key in keys], torch.arange(len(data.x_test)), device),
        data.classes,
        vocabulary=data.vocabulary,
        embedding=None if data.embedding is None else data.embedding.to(device),
        pixels=data.pixels,
    )
    if dataset.targets == "values":
        return pack
    return pack._replace(y_true=data.y_train[train].to(device))


def _split(data: Data, kind: str, held: object) -> tuple[Tensor, Tensor]:
    """Which examples are for training, and which for validation."""
    count = len(data.x_train)
    if data.trained is not None:
        rest = torch.ones(count, dtype=torch.bool)
        rest[data.trained] = False
        return data.trained, rest.nonzero().squeeze(1)
    if not isinstance(held, int):
        raise DataError(f"{kind}: validation {held} needs a part of the training set to leave")
    if held >= count:
        raise DataError(f"{kind}: validation {held} leaves none of {count} examples")
    order = (
        torch.randperm(count, generator=generator("validation")) if held else torch.arange(count)
    )
    return order[held:], order[:held]


def _what_shapes_targets(task: Task) -> Hashable:
    config = task.dataset
    return task.seed, *(getattr(config, name) for name in per_run_fields(type(config)))


def _stack(targets: list[Tensor], chosen: Tensor, device: torch.device) -> Tensor:
    """The chosen examples of all runs, ``[K, ...]``; one set in memory where it is one for all."""
    first = targets[0]
    if all(one is first for one in targets):
        return first[chosen].to(device).expand(len(targets), *[-1] * first.ndim)
    return torch.stack([one[chosen] for one in targets]).to(device)
