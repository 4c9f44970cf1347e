"""A linear teacher seen through shifts: the simulation behind figure 4 of the volumization paper.

One training example, the number 1, has as many outputs as the teacher has weights; its targets are
the shifted weights, and the test targets are the teacher's own. A linear model without bias
(``{kind: mlp, widths: [], bias: false}``) that is trained on the squared error has the student's
weights as its weights, and the error per weight as its ``test_squared_error``.
"""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field

from regsearch.datasets._base import DATASETS, Data, Dataset, DatasetConfig, Drawn
from regsearch.space import Real

SCHEME = "teacher-student-1"
"""Names the way in which teachers and shifts are drawn; to be changed with it."""


def _no_label_noise(rate: float) -> float:
    if rate:
        raise ValueError(
            f"must be 0 for teacher_student, whose targets are real numbers, got {rate}; "
            "set sigma, the scale of its shifts"
        )
    return rate


def _nothing_held_out(count: int) -> int:
    if count:
        raise ValueError(
            f"must be 0 for teacher_student, which has one training example, got {count}; "
            "its test targets are the true weights"
        )
    return count


class TeacherStudent(DatasetConfig):
    """Teacher's weights uniform in [-1, 1], each shifted by its own draw of the noise."""

    kind: Literal["teacher_student"] = "teacher_student"
    parameters: Annotated[
        int, Field(ge=1, le=10_000_000, description="weights of the teacher, each a sample")
    ] = 20_000
    noise: Annotated[
        Literal["uniform", "cauchy"],
        Field(description="shifts from -sigma to sigma, or sigma times a standard Cauchy variable"),
    ] = "uniform"
    sigma: Annotated[
        Real, Field(ge=0, description="scale of the shifts; the teacher's half-width is 1")
    ] = 1.0
    label_noise: Annotated[
        Real, AfterValidator(_no_label_noise), Field(description="does not apply: must be 0")
    ] = 0.0
    label_noise_kind: Annotated[Literal["symmetric"], Field(description="does not apply")] = (
        "symmetric"
    )
    validation: Annotated[
        int, AfterValidator(_nothing_held_out), Field(description="does not apply: must be 0")
    ] = 0
    clean_validation: Annotated[Literal[False], Field(description="does not apply")] = False


def fingerprint(config: TeacherStudent) -> str:
    """Of the scheme; the rest is in the config and in the seed."""
    return SCHEME


def load(config: TeacherStudent) -> Data:
    """The input 1, and zero targets ``[1, parameters]``, to which each run adds its draw."""
    x, y = torch.ones(1, 1), torch.zeros(()).expand(1, config.parameters)
    return Data(x, y, x, y, config.parameters, SCHEME)


def draw(data: Data, config: TeacherStudent, seed: int) -> Drawn:
    r"""Shifted and true weights of the teacher with this seed.

    Both kinds of noise come from the same uniform :math:`r \in [-1, 1)`, and scale with sigma, so
    that runs of one seed differ in nothing else:

    .. math:: \eta = \sigma r \quad\text{or}\quad \eta = \sigma \tan(\pi r / 2)
    """
    shape = (2, *data.y_train.shape)
    u, r = 2 * torch.rand(shape, generator=_generator(seed), dtype=torch.float64) - 1
    shift = r if config.noise == "uniform" else torch.tan(math.pi / 2 * r)
    shifted = data.y_train + u + config.sigma * shift
    return Drawn(shifted.float(), (data.y_test + u).float())


def _generator(seed: int) -> torch.Generator:
    key = hashlib.sha256(f"{seed}/{SCHEME}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))


DATASETS.add(
    "teacher_student",
    Dataset(
        config=TeacherStudent,
        description="shifted weights of a linear teacher, for comparison with theory",
        load=load,
        fingerprint=fingerprint,
        draw=draw,
        targets="values",
    ),
)
