"""What a data set is: tensors in memory, and a config that says how to get them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator
from torch import Tensor

from regsearch.datasets.label_noise import NoiseKind, noisy_labels
from regsearch.pixels import Pixels
from regsearch.registry import Registry
from regsearch.space import Kind, Real


class Data(NamedTuple):
    """A whole data set, the same for all runs; ``Dataset.draw`` adds what is random in each."""

    x_train: Tensor  # [N, ...], ready for the model: values, float32; or words, int64 [N, L]
    y_train: Tensor  # classes [N], int64, clean; or values [N, C], float32
    x_test: Tensor
    y_test: Tensor
    classes: int  # C, the number of outputs that a model needs
    fingerprint: str  # of the content, the same on every machine
    trained: Tensor | None = None  # which of the N, where the rest is for validation; None: all
    vocabulary: int = 0  # how many words there are, numbered from 0; 0: x holds values
    embedding: Tensor | None = None  # [vocabulary, D], float32: what is known of each word
    pixels: Pixels | None = None  # the scale of x; None: it is not known, or x is no image


class DatasetConfig(Kind):
    """Settings that every data set has."""

    confusions: ClassVar[Mapping[int, int]] = {}
    """The class that each class is mistaken for in asymmetric noise; empty: not known."""

    label_noise: Annotated[
        Real,
        Field(
            ge=0,
            le=1,
            description="share of the training labels that are made wrong; if asymmetric, of those "
            "of each class that is mistaken for another",
        ),
    ] = 0.0
    label_noise_kind: Annotated[
        NoiseKind,
        Field(
            description="what wrong labels name: any other class, the next one (pairwise), or the "
            "one that looks like it (asymmetric)"
        ),
    ] = "symmetric"
    validation: Annotated[
        Annotated[int, Field(ge=0)] | Literal["rest"],
        Field(
            description="examples held out from the training set, or the rest that train_size or "
            "train_per_class leaves; 0: no validation"
        ),
    ] = 0
    clean_validation: Annotated[
        bool, Field(description="leave label noise out of the validation set")
    ] = False

    @property
    def leaves_rest(self) -> bool:
        """Whether some training examples are not trained on, and free for validation."""
        return False

    @field_validator("label_noise_kind")
    @classmethod
    def _is_known(cls, kind: NoiseKind) -> NoiseKind:
        if kind == "asymmetric" and not cls.confusions:
            known = ", ".join(name for name in DATASETS if DATASETS[name].config.confusions)
            raise ValueError(
                f"asymmetric noise of {cls.model_fields['kind'].default} is not known, only of "
                f"{known}; write symmetric or pairwise"
            )
        return kind

    @model_validator(mode="after")
    def _rest_exists(self) -> Self:
        if self.validation == "rest" and not self.leaves_rest:
            raise ValueError(
                "validation: rest is what train_size or train_per_class leaves of an official "
                f"training set, and {self.kind} leaves nothing; write a number of examples"
            )
        return self


class Drawn(NamedTuple):
    """What one run is trained towards, and what it is tested on; shaped as in ``Data``."""

    y_train: Tensor
    y_test: Tensor


def draw_labels(data: Data, config: DatasetConfig, seed: int) -> Drawn:
    """The training labels with the run's noise, and the clean test labels."""
    noisy = noisy_labels(
        data.y_train,
        data.classes,
        config.label_noise,
        seed,
        config.label_noise_kind,
        config.confusions,
    )
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
