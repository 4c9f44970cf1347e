"""What one run is asked to do, every value settled: the content that its hash is made from."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from regsearch.augmentations import AUGMENTATIONS
from regsearch.datasets import DATASETS, DatasetConfig
from regsearch.losses import LOSSES
from regsearch.metrics import MEASUREMENTS, MeasurementConfig
from regsearch.models import MODELS
from regsearch.optim import OPTIMIZERS
from regsearch.regularizers import REGULARIZERS
from regsearch.schedules import SCHEDULES, ScheduleConfig
from regsearch.space import Config, Kind, OneOf, per_run_fields, place_fields


class Change(Config):
    """Hyper-parameters of regularizers that take other values from an epoch on."""

    epoch: Annotated[
        int, Field(ge=1, le=1_000_000, description="the first that is trained with them, from 1")
    ]
    values: Annotated[
        dict[str, float], Field(min_length=1, description="by name, such as volumization.v")
    ]


class TrainConfig(Config):
    """How a run is trained."""

    optimizer: Annotated[Kind, OneOf(OPTIMIZERS)] = Field(
        description="update rule, and its learning rate"
    )
    schedule: Annotated[ScheduleConfig, OneOf(SCHEDULES)] = Field(
        default=SCHEDULES["constant"].config(kind="constant"),
        description="how the learning rate falls from the optimizer's",
    )
    loss: Annotated[Kind, OneOf(LOSSES)] = Field(
        default=LOSSES["cross_entropy"].config(kind="cross_entropy"),
        description="what training makes small",
    )
    augment: list[Annotated[Kind, OneOf(AUGMENTATIONS)]] = Field(
        default=[],
        description="random changes of the training examples, anew in each step, in this order",
    )
    course: list[Change] = Field(
        default=[], description="hyper-parameters of regularizers that change while a run trains"
    )
    epochs: Annotated[
        int, Field(ge=1, le=1_000_000, description="passes over the training set, warm-up included")
    ]
    batch_size: Annotated[int, Field(ge=1, le=1_000_000, description="examples in a step")] = 128
    drop_last: Annotated[
        bool, Field(description="leave out an epoch's last, shorter batch (others join next time)")
    ] = True
    precision: Annotated[
        Literal["fp32", "bf16"], Field(description="bf16: autocast the forward pass; state is fp32")
    ] = "fp32"
    batches: Annotated[
        Literal["shared", "independent"],
        Field(description="one order of the examples for all runs, or one per seed"),
    ] = "shared"


class Task(Config):
    """One run: data, model, training, regularizers applied together, measurements, and the seed."""

    dataset: Annotated[DatasetConfig, OneOf(DATASETS)]
    model: Annotated[Kind, OneOf(MODELS)]
    train: TrainConfig
    regularizers: list[Annotated[Kind, OneOf(REGULARIZERS)]]
    measure: list[Annotated[MeasurementConfig, OneOf(MEASUREMENTS)]] = Field(default=[])
    seed: Annotated[int, Field(ge=0, lt=2**53)]
    population: str | None = None
    """Hash of all that take part, where a scheduler copies the runs of one another."""

    @property
    def wanders(self) -> bool:
        """Whether hyper-parameters may change while the run trains."""
        return bool(self.train.course or self.population)

    def content(self) -> dict[str, Any]:
        """What the run is, free of places on this machine, as plain JSON values.

        Of augmentation, courses and populations there is no word in runs without them: such runs
        are older than they are.
        """
        content = self.model_dump(mode="json")
        for name in ("augment", "course"):
            if not content["train"][name]:
                del content["train"][name]
        if self.population is None:
            del content["population"]
        for name in place_fields(type(self.dataset)):
            del content["dataset"][name]
        content["dataset"]["fingerprint"] = DATASETS[self.dataset.kind].fingerprint(self.dataset)
        for values, config in zip(content["measure"], self.measure, strict=True):
            for name in place_fields(type(config)):
                del values[name]
            if fingerprint := MEASUREMENTS[config.kind].fingerprint(config):
                values["fingerprint"] = fingerprint
        return content

    def structure(self) -> dict[str, Any]:
        """The content without seed, population and values per run: one for all runs of a pack."""
        content = self.content()
        del content["seed"]
        content.pop("population", None)
        parts = [
            (content["dataset"], self.dataset),
            (content["model"], self.model),
            (content["train"]["optimizer"], self.train.optimizer),
            (content["train"]["schedule"], self.train.schedule),
            (content["train"]["loss"], self.train.loss),
            *zip(content["regularizers"], self.regularizers, strict=True),
        ]
        for values, config in parts:
            for name in per_run_fields(type(config)):
                del values[name]
        return content


def digest(content: Any) -> str:
    """Hash of JSON values, 16 hexadecimal digits; the order of keys does not matter."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
