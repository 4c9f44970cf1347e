"""A part of a data set: so many examples, or so many of each class, the same for all studies."""

from __future__ import annotations

from typing import Annotated, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from regsearch.datasets._base import Data, DatasetConfig
from regsearch.errors import DataError

SHUFFLE = 20_260_101
"""Seed of the order in which examples are taken."""

Count = Annotated[int, Field(ge=1)]
Rows = Tensor | slice


class SubsetConfig(DatasetConfig):
    """Settings of every data set of which a part can be taken."""

    train_size: Annotated[
        Count | None,
        Field(description="train on so many examples, drawn once for all studies; null: all"),
    ] = None
    train_per_class: Annotated[
        Count | None,
        Field(description="train on so many examples of each class; null: on train_size of all"),
    ] = None
    test_size: Annotated[
        Count | None,
        Field(description="test on so many examples, drawn once for all studies; null: all"),
    ] = None

    @property
    def leaves_rest(self) -> bool:
        """Whether some training examples are not trained on, and free for validation."""
        return self.train_size is not None or self.train_per_class is not None

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.train_size is not None and self.train_per_class is not None:
            raise ValueError(
                f"train_size {self.train_size} and train_per_class {self.train_per_class} both "
                "say which examples to train on; write one of them"
            )
        return self


class Subset(NamedTuple):
    """Rows of a data set that are needed, and which of the training rows are trained on."""

    train: Rows
    test: Rows
    trained: Tensor | None  # as in ``Data``


def choose(y_train: Tensor, y_test: Tensor, config: SubsetConfig) -> Subset:
    """What ``config`` asks for of examples with these labels.

    Which examples are kept depends on nothing else, and a larger subset holds the smaller ones.

    Raises:
        DataError: more is asked for than there is, or nothing is left for validation.
    """
    train, test = _training_rows(y_train, config), _rows(len(y_test), "test_size", config)
    if config.validation != "rest" or isinstance(train, slice):
        return Subset(train, test, None)
    if len(train) == len(y_train):
        raise DataError(
            f"{config.kind}: validation: rest is nothing, as all {len(train)} examples are trained "
            "on; train on fewer, or write a number of examples"
        )
    return Subset(slice(None), test, train)


def subset(data: Data, config: SubsetConfig) -> Data:
    """``data`` cut to what ``config`` asks for.

    Raises:
        DataError: as ``choose``.
    """
    train, test, trained = choose(data.y_train, data.y_test, config)
    return data._replace(
        x_train=data.x_train[train],
        y_train=data.y_train[train],
        x_test=data.x_test[test],
        y_test=data.y_test[test],
        trained=trained,
    )


def _training_rows(labels: Tensor, config: SubsetConfig) -> Rows:
    if config.train_per_class is None:
        return _rows(len(labels), "train_size", config)
    counts = labels.bincount()
    if counts.min() < config.train_per_class:
        raise DataError(
            f"{config.kind}: train_per_class {config.train_per_class} is more than the "
            f"{int(counts.min())} examples of class {int(counts.argmin())}"
        )
    order = _order(len(labels))
    by_class = labels[order].argsort(stable=True)  # places in order, class by class
    first = counts.cumsum(0) - counts
    place = torch.empty_like(labels)  # of each example of order, within its class
    place[by_class] = torch.arange(len(labels)) - first.repeat_interleave(counts)
    return order[place < config.train_per_class]


def _rows(count: int, field: str, config: SubsetConfig) -> Rows:
    size: int | None = getattr(config, field)
    if size is None:
        return slice(None)
    if size > count:
        raise DataError(f"{config.kind}: {field} {size} is more than the {count} examples")
    return _order(count)[:size]


def _order(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(SHUFFLE))
