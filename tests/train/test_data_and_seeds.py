from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
import torch

from regsearch.datasets import DATASETS, Data, Dataset
from regsearch.datasets._subset import SubsetConfig, subset
from regsearch.errors import DataError
from regsearch.train.data import load_data
from regsearch.train.seeds import generator, seed_of
from regsearch.train.task import Task

CPU = torch.device("cpu")


def test_purposes_do_not_share_a_stream() -> None:
    seeds = {seed_of(seed, purpose, n) for seed in range(50) for purpose in "ab" for n in range(20)}
    assert len(seeds) == 50 * 2 * 20
    assert torch.equal(
        torch.rand(3, generator=generator(1, "a")), torch.rand(3, generator=generator(1, "a"))
    )


def test_held_out_examples_are_the_same_for_all_runs_and_not_trained_on(make_task: Any) -> None:
    dataset = {"kind": "digits", "train_size": 100, "validation": 30}
    data = load_data([make_task(dataset=dataset, seed=seed) for seed in (0, 1)], CPU)
    again = load_data([make_task(dataset=dataset, seed=7)], CPU)
    assert torch.equal(data.x_validation, again.x_validation)
    assert (len(data.x_train), len(data.x_validation)) == (70, 30)
    whole = load_data([make_task(dataset=dataset | {"validation": 0})], CPU).x_train
    parts = torch.cat([data.x_validation, data.x_train]).flatten(1)
    assert torch.equal(parts.unique(dim=0), whole.flatten(1).unique(dim=0))


def test_each_run_has_its_own_noise_and_a_clean_test_set(make_task: Any) -> None:
    dataset = {"kind": "digits", "train_size": 100}
    levels = (0.0, 0.5, 0.5)
    tasks = [
        make_task(dataset=dataset | {"label_noise": level}, seed=seed)
        for seed, level in enumerate(levels)
    ]
    data = load_data(tasks, CPU)
    wrong = (data.y_train != data.y_train[0]).sum(1)
    assert wrong.tolist() == [0, 50, 50]
    assert not torch.equal(data.y_train[1], data.y_train[2])
    assert torch.equal(data.y_test[1], data.y_test[0])


def test_holding_out_everything_is_refused(make_task: Any) -> None:
    dataset = {"kind": "digits", "train_size": 100, "validation": 100}
    with pytest.raises(DataError, match="validation 100 leaves none of 100"):
        load_data([make_task(dataset=dataset)], CPU)


def test_runs_with_equal_targets_hold_them_once(make_task: Any) -> None:
    dataset = {"kind": "digits", "train_size": 100, "label_noise": 0.5, "validation": 10}
    data = load_data([make_task(dataset=dataset, seed=4) for _ in range(3)], CPU)
    for targets in (data.y_train, data.y_validation, data.y_test):
        assert targets.shape[0] == 3
        assert targets.stride(0) == 0
    mixed = load_data([make_task(dataset=dataset, seed=seed) for seed in (4, 5)], CPU)
    assert mixed.y_test.stride(0) == 0
    assert torch.equal(mixed.y_train[0], data.y_train[0])


NOISY = {"kind": "digits", "train_size": 100, "label_noise": 0.5, "validation": 30}


def test_the_labels_before_the_noise_are_known(make_task: Any) -> None:
    levels = ((0.5, 4), (0.0, 4), (0.2, 5))
    tasks = [make_task(dataset=NOISY | {"label_noise": rate}, seed=s) for rate, s in levels]
    data = load_data(tasks, CPU)
    clean = load_data([make_task(dataset=NOISY | {"label_noise": 0.0})], CPU)
    assert data.y_true is not None
    assert torch.equal(data.y_true, clean.y_train[0])
    for k, (rate, _) in enumerate(levels):
        in_training = int((data.y_train[k] != data.y_true).sum())
        in_validation = int((data.y_validation[k] != clean.y_validation[0]).sum())
        assert in_training + in_validation == round(100 * rate)


def test_real_targets_have_no_labels(make_task: Any) -> None:
    data = load_data([make_task(dataset={"kind": "teacher_student", "parameters": 5})], CPU)
    assert data.y_true is None


def test_validation_labels_may_stay_clean(make_task: Any) -> None:
    tasks = [make_task(dataset=NOISY, seed=seed) for seed in (0, 1)]
    noisy = load_data(tasks, CPU)
    clean = load_data(
        [make_task(dataset=NOISY | {"clean_validation": True}, seed=seed) for seed in (0, 1)], CPU
    )
    silent = load_data([make_task(dataset=NOISY | {"label_noise": 0.0})], CPU)
    assert torch.equal(clean.y_train, noisy.y_train)
    assert torch.equal(clean.x_validation, noisy.x_validation)
    for k in (0, 1):
        assert torch.equal(clean.y_validation[k], silent.y_validation[0])
        assert not torch.equal(noisy.y_validation[k], clean.y_validation[k])
    assert clean.y_validation.stride(0) == 0


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """An official set whose ten training examples are numbered, in two classes, as words."""
    x, y = torch.arange(10).view(-1, 1), torch.arange(10) % 2
    whole = Data(x, y, x[:3], y[:3], 2, "letters", vocabulary=10, embedding=torch.eye(10))

    class Letters(SubsetConfig):
        kind: Literal["mnist"] = "mnist"

    stub = Dataset(Letters, "letters", lambda config: subset(whole, config), lambda config: "l")
    monkeypatch.setitem(DATASETS._entries, "mnist", stub)


@pytest.mark.usefixtures("letters")
def test_the_rest_is_for_validation_and_noise_is_drawn_before() -> None:
    config = {"kind": "mnist", "train_per_class": 2, "validation": "rest", "label_noise": 0.5}
    task = SimpleNamespace(dataset=DATASETS["mnist"].config.model_validate(config), seed=3)
    data = load_data([cast(Task, task)], CPU)
    assert data.y_true is not None
    assert data.y_true.bincount().tolist() == [2, 2]
    assert (len(data.x_train), len(data.x_validation)) == (4, 6)
    rows = torch.cat([data.x_train, data.x_validation]).ravel()
    assert sorted(rows.tolist()) == list(range(10))
    labels = torch.cat([data.y_train, data.y_validation], 1)[0]
    assert int((labels != rows % 2).sum()) == 5
    assert data.vocabulary == 10
    assert data.embedding is not None
    assert torch.equal(data.embedding, torch.eye(10))
