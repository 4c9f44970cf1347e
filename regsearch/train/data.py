"""The data of a pack: resident on the device, one set of training labels per run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from regsearch.datasets import DATASETS, noisy_labels
from regsearch.errors import DataError
from regsearch.train.seeds import generator
from regsearch.train.task import Task


class PackData(NamedTuple):
    """Inputs are shared by the runs, training and validation labels carry each run's noise."""

    x_train: Tensor  # [N, ...]
    y_train: Tensor  # [K, N]
    x_validation: Tensor  # [M, ...]
    y_validation: Tensor  # [K, M]
    x_test: Tensor  # [T, ...]
    y_test: Tensor  # [K, T], clean, a view of one set
    classes: int


def load_data(tasks: Sequence[Task], device: torch.device) -> PackData:
    """Read the data set and draw each run's noise, before examples are held out for validation.

    The same examples are held out in every run of every study, so that runs can be compared.

    Raises:
        DataError: nothing is left for training.
    """
    config = tasks[0].dataset
    data = DATASETS[config.kind].load(config)
    count, held = len(data.y_train), config.validation
    if held >= count:
        raise DataError(f"{config.kind}: validation {held} leaves none of {count} examples")
    drawn: dict[tuple[int, float], Tensor] = {}
    for key in ((task.seed, task.dataset.label_noise) for task in tasks):
        if key not in drawn:
            drawn[key] = noisy_labels(data.y_train, data.classes, key[1], key[0])
    labels = torch.stack([drawn[task.seed, task.dataset.label_noise] for task in tasks])
    order = (
        torch.randperm(count, generator=generator("validation")) if held else torch.arange(count)
    )
    train, validation = order[held:], order[:held]
    return PackData(
        data.x_train[train].to(device),
        labels[:, train].to(device),
        data.x_train[validation].to(device),
        labels[:, validation].to(device),
        data.x_test.to(device),
        data.y_test.to(device).expand(len(tasks), -1),
        data.classes,
    )
