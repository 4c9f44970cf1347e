"""What records, reports and schedulers rely on in every registered measurement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.errors import SpecError
from regsearch.metrics import (
    MEASUREMENTS,
    Histograms,
    MeasurementConfig,
    Outline,
    Subject,
    reading,
)
from regsearch.pixels import Pixels

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "gbr": [
        {},
        {"samples": 6, "probes": 2},
        {"f": "probabilities"},
        {"f": "true_class", "samples": None},
    ],
    "lipschitz": [{}, {"samples": 5, "bound": True}],
    "objectives": [{"strength": 0.1}],
    "fgsm": [{"eps": [0.0, 0.1], "clip": False}, {"eps": [0.2], "require_clean_correct": True}],
    "corruptions": [
        {"benchmark": "mnist_c", "samples": 6},
        {"benchmark": "cifar10_c", "families": ["fog", "contrast"], "severities": [2, 5]},
    ],
    "pgd": [{"eps": [0.1], "samples": 6}, {"eps": [2.0], "scale": "input", "step_size": 0.5}],
}
CASES = [(kind, settings) for kind in MEASUREMENTS for settings in SETTINGS.get(kind, [{}])]
MakeSubject = Callable[..., Subject]


def made(kind: str, subject: Subject, config: MeasurementConfig) -> Tree:
    """What is measured, ``[K, ...]`` each: numbers, and the parts of histograms."""
    parts: Tree = {}
    for name, found in MEASUREMENTS[kind].measure(subject, config).items():
        whole = found._asdict() if isinstance(found, Histograms) else {"": found}
        parts |= {f"{name}:{part}" if part else name: values for part, values in whole.items()}
    return parts


def configured(kind: str, settings: dict[str, Any]) -> MeasurementConfig:
    return MEASUREMENTS[kind].config.model_validate({"kind": kind} | settings)


def perceptron() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


@pytest.fixture
def subject(make_subject: MakeSubject) -> Subject:
    return make_subject(*(perceptron() for _ in range(3)), shape=(1, 2, 2))


def run(subject: Subject, k: int) -> Subject:
    def one(tree: Tree) -> Tree:
        return {name: tensor[k : k + 1] for name, tensor in tree.items()}

    return subject._replace(
        params=one(subject.params),
        buffers=one(subject.buffers),
        weights=one(subject.weights),
        y_train=subject.y_train[k : k + 1],
        y_test=subject.y_test[k : k + 1],
        seed=subject.seed[k : k + 1],
    )


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_a_pack_is_measured_as_its_runs_alone_under_the_names_promised(
    kind: str, settings: dict[str, Any], subject: Subject
) -> None:
    measurement, config = MEASUREMENTS[kind], configured(kind, settings)
    together = made(kind, subject, config)
    numbers = [name for name in together if ":" not in name]
    assert numbers == measurement.names(config)
    assert all(together[name].shape == (3,) for name in numbers)
    for k in range(3):
        alone = made(kind, run(subject, k), config)
        for name, values in together.items():
            torch.testing.assert_close(alone[name], values[k : k + 1], equal_nan=True)


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_how_many_examples_fit_in_memory_does_not_matter(
    kind: str, settings: dict[str, Any], subject: Subject
) -> None:
    config = configured(kind, settings)
    whole, single = (made(kind, subject._replace(chunk=n), config) for n in (1000, 1))
    torch.testing.assert_close(whole, single, equal_nan=True)


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_a_diverged_run_leaves_its_neighbours_alone(
    kind: str, settings: dict[str, Any], subject: Subject
) -> None:
    config = configured(kind, settings)
    healthy = made(kind, subject, config)
    for value in (torch.nan, torch.inf):
        broken = {name: tensor.clone() for name, tensor in subject.params.items()}
        broken["1.weight"][1, 0, 0] = value
        measured = made(kind, subject._replace(params=broken, weights=broken), config)
        for name, values in measured.items():
            torch.testing.assert_close(values[[0, 2]], healthy[name][[0, 2]], equal_nan=True)


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_nothing_that_it_looks_at_is_changed(
    kind: str, settings: dict[str, Any], subject: Subject
) -> None:
    tensors = [*subject.params.values(), subject.x_train, subject.x_test]
    before = [tensor.clone() for tensor in tensors]
    with torch.no_grad():
        measured = made(kind, subject, configured(kind, settings))
    assert all(torch.equal(old, new) for old, new in zip(before, tensors, strict=True))
    assert not any(tensor.requires_grad for tensor in (*tensors, *measured.values()))


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_every_name_can_be_read(kind: str, settings: dict[str, Any]) -> None:
    measurement, config = MEASUREMENTS[kind], configured(kind, settings)
    assert measurement.description
    for name in measurement.names(config):
        read = reading(name)
        assert read is not None
        assert read.description
        assert read.unit


@pytest.mark.parametrize("kind", MEASUREMENTS)
@pytest.mark.parametrize(
    ("every", "due"), [(None, [5]), (1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])]
)
def test_it_is_due_every_so_often_and_at_the_end(kind: str, every: int, due: list[int]) -> None:
    config = configured(kind, SETTINGS.get(kind, [{}])[0] | {"every": every})
    assert [epoch for epoch in range(1, 6) if config.is_due(epoch, 5)] == due


WORDS = torch.zeros(1, 4, dtype=torch.int64)
IMAGE = torch.zeros(1, 1, 2, 2)
CLASS, VALUE = torch.zeros(1, dtype=torch.int64), torch.zeros(1, 3)


@pytest.mark.parametrize(
    ("kind", "settings", "x", "y", "problem"),
    [
        ("gbr", {}, WORDS, CLASS, "gbr needs inputs that can change a little"),
        ("gbr", {"f": "probabilities"}, IMAGE, VALUE, "gbr of probabilities needs classes"),
        ("lipschitz", {}, WORDS, CLASS, "lipschitz needs inputs that can change"),
        ("pgd", {"eps": [0.1]}, WORDS, CLASS, "pgd needs inputs that can change"),
        ("fgsm", {"eps": [0.1]}, IMAGE, VALUE, "fgsm needs classes"),
        ("memorisation", {}, IMAGE, VALUE, "memorisation needs classes"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(
    kind: str, settings: dict[str, Any], x: Tensor, y: Tensor, problem: str
) -> None:
    with pytest.raises(SpecError, match=problem):
        MEASUREMENTS[kind].check(configured(kind, settings), Outline(perceptron(), x, y))


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_what_can_be_measured_is_not_refused(kind: str, settings: dict[str, Any]) -> None:
    model = perceptron().to("meta")
    outline = Outline(model, IMAGE, CLASS, Pixels())
    MEASUREMENTS[kind].check(configured(kind, settings), outline)
