from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from regsearch.metrics import Subject
from regsearch.metrics.memorisation import Memorisation, measure

MakeSubject = Callable[..., Subject]


def reading_off() -> nn.Linear:
    """Predicts the class whose input is 1."""
    layer = nn.Linear(3, 3, bias=False)
    nn.init.eye_(layer.weight)
    return layer


def test_by_hand(make_subject: MakeSubject) -> None:
    """Six examples of true class 0 and two runs, the first three of whose labels are wrong."""
    guesses = torch.tensor([1, 0, 2, 0, 0, 1])
    labels = torch.tensor([[1, 1, 1, 0, 0, 0], [2, 2, 2, 0, 0, 0]])
    subject = make_subject(
        reading_off(),
        reading_off(),
        x_train=torch.eye(3)[guesses],
        y_train=labels,
        y_true=torch.zeros(6, dtype=torch.int64),
    )
    measured = measure(subject, Memorisation())
    assert measured["wrong_fit"].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert measured["wrong_recovered"].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert measured["clean_accuracy"].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert measured["true_accuracy"].tolist() == pytest.approx([1 / 2, 1 / 2])
    first = subject._replace(y_train=labels[[0, 0]])
    assert measure(first, Memorisation())["wrong_fit"].tolist() == pytest.approx([1 / 3, 1 / 3])


def test_a_model_that_learns_by_heart_and_one_that_sees_through(make_subject: MakeSubject) -> None:
    true = torch.randint(3, (200,))
    wrong = torch.where(torch.arange(200) < 80, (true + 1) % 3, true)
    parts = {"y_train": wrong[None], "y_true": true}
    by_heart = make_subject(reading_off(), x_train=torch.eye(3)[wrong], **parts)
    measured = {name: float(v) for name, v in measure(by_heart, Memorisation()).items()}
    assert measured == pytest.approx(
        {"wrong_fit": 1, "wrong_recovered": 0, "clean_accuracy": 1, "true_accuracy": 120 / 200}
    )
    wise = make_subject(reading_off(), x_train=torch.eye(3)[true], **parts)
    measured = {name: float(v) for name, v in measure(wise, Memorisation()).items()}
    assert measured == pytest.approx(
        {"wrong_fit": 0, "wrong_recovered": 1, "clean_accuracy": 1, "true_accuracy": 1}
    )


def test_without_noise_there_is_nothing_to_fit_or_recover(make_subject: MakeSubject) -> None:
    true = torch.tensor([0, 1, 2, 0])
    inputs = torch.eye(3)[torch.tensor([0, 1, 2, 1])]
    subject = make_subject(reading_off(), x_train=inputs, y_train=true[None], y_true=true)
    measured = measure(subject, Memorisation())
    assert measured["wrong_fit"].isnan().all()
    assert measured["wrong_recovered"].isnan().all()
    assert measured["clean_accuracy"].item() == measured["true_accuracy"].item() == 0.75


def test_words_are_as_good_as_values(make_subject: MakeSubject) -> None:
    embedding = nn.Embedding(3, 3)
    nn.init.eye_(embedding.weight)
    table = nn.Sequential(embedding, nn.Flatten())
    true = torch.tensor([0, 1, 2, 0])
    words = torch.tensor([[0], [1], [2], [2]])
    subject = make_subject(table, x_train=words, y_train=true[None], y_true=true)
    assert measure(subject, Memorisation())["true_accuracy"].item() == 0.75
