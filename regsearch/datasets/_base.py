"""What a data set is: tensors in memory, and a config that says how to get them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from pydantic import Field
from torch import Tensor

from regsearch.registry import Registry
from regsearch.space import Kind, Real


class Data(NamedTuple):
    """A whole data set; labels are clean, noise is drawn per run at training time."""

    x_train: Tensor  # [N, ...], float32, ready for the model
    y_train: Tensor  # [N], int64
    x_test: Tensor
    y_test: Tensor
    classes: int
    fingerprint: str  # of the content, the same on every machine


class DatasetConfig(Kind):
    """Settings that every data set has."""

    label_noise: Annotated[
        Real, Field(ge=0, le=1, description="share of the training labels that are made wrong")
    ] = 0.0
    validation: Annotated[
        int, Field(ge=0, description="examples held out from the training set; 0: no validation")
    ] = 0


class Dataset(NamedTuple):
    """``load(config)`` reads the tensors; ``fingerprint(config)`` identifies them cheaply.

    Both raise ``DataError`` when files are missing or damaged, and say how to get them.
    """

    config: type[DatasetConfig]
    description: str
    load: Callable[[Any], Data]
    fingerprint: Callable[[Any], str]


DATASETS: Registry[Dataset] = Registry("dataset")
