"""What a data set is: tensors in memory, and a config that says how to get them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field
from torch import Tensor

from regsearch.datasets.label_noise import noisy_labels
from regsearch.registry import Registry
from regsearch.space import Kind, Real


class Data(NamedTuple):
    """A whole data set, the same for all runs; ``Dataset.draw`` adds what is random in each."""

    x_train: Tensor  # [N, ...], float32, ready for the model
    y_train: Tensor  # classes [N], int64, clean; or values [N, C], float32
    x_test: Tensor
    y_test: Tensor
    classes: int  # C, the number of outputs that a model needs
    fingerprint: str  # of the content, the same on every machine


class DatasetConfig(Kind):
    """Settings that every data set has."""

    label_noise: Annotated[
        Real, Field(ge=0, le=1, description="share of the training labels that are made wrong")
    ] = 0.0
    validation: Annotated[
        int, Field(ge=0, description="examples held out from the training set; 0: no validation")
    ] = 0


class Drawn(NamedTuple):
    """What one run is trained towards, and what it is tested on; shaped as in ``Data``."""

    y_train: Tensor
    y_test: Tensor


def draw_labels(data: Data, config: DatasetConfig, seed: int) -> Drawn:
    """The training labels with the run's noise, and the clean test labels."""
    noisy = noisy_labels(data.y_train, data.classes, config.label_noise, seed)
    return Drawn(noisy, data.y_test)


class Dataset(NamedTuple):
    """``load(config)`` reads the tensors; ``fingerprint(config)`` identifies them cheaply.

    Both raise ``DataError`` when files are missing or damaged, and say how to get them, and
    neither looks at values of type ``Real``, which may differ within a pack.
    ``draw(data, config, seed)`` gives the targets of the run with this seed; equal arguments give
    equal numbers, and other seeds independent ones.
    """

    config: type[DatasetConfig]
    description: str
    load: Callable[[Any], Data]
    fingerprint: Callable[[Any], str]
    draw: Callable[[Data, Any, int], Drawn] = draw_labels
    targets: Literal["classes", "values"] = "classes"


DATASETS: Registry[Dataset] = Registry("dataset")
