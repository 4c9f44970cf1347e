from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from regsearch.metrics import Subject
from regsearch.metrics.cost import Cost, measure
from regsearch.models import MODELS

MakeSubject = Callable[..., Subject]


def test_of_a_perceptron_and_a_convolution_by_hand(make_subject: MakeSubject) -> None:
    perceptron = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    measured = measure(make_subject(perceptron, perceptron), Cost())
    assert measured["flops"].tolist() == [2 * (4 * 5 + 5 * 3)] * 2
    assert measured["parameters"].tolist() == [4 * 5 + 5 + 5 * 3 + 3] * 2
    conv = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 3))
    measured = measure(make_subject(conv, shape=(2, 4, 4)), Cost())
    assert measured["flops"].tolist() == [2 * (2 * 3 * 9 * 4 + 12 * 3)]
    assert measured["parameters"].tolist() == [2 * 3 * 9 + 3 + 12 * 3 + 3]


def test_training_takes_three_passes_for_every_example_seen(make_subject: MakeSubject) -> None:
    perceptron = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    subject = make_subject(perceptron, perceptron, seen=1000)
    products = 4 * 5 + 5 * 3
    assert measure(subject, Cost())["training_flops"].tolist() == [3 * 2 * products * 1000] * 2


def test_of_words_read_one_after_the_other(make_subject: MakeSubject) -> None:
    config = MODELS["lstm"].config.model_validate(
        {"kind": "lstm", "vocabulary": 9, "dimension": 4, "hidden": 5, "attention": False}
    )
    words = torch.zeros(1, 6, dtype=torch.int64)
    lstm = MODELS["lstm"].build(config, (6,), 2)
    measured = measure(make_subject(lstm, x_train=words, x_test=words), Cost())
    gates = 6 * 2 * (4 * 20 + 5 * 20)
    assert measured["flops"].item() == pytest.approx(gates + 2 * 5 * 2)
