from __future__ import annotations

from typing import Any

import pytest
import torch

from regsearch.errors import DataError
from regsearch.train.data import load_data
from regsearch.train.seeds import generator, seed_of

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
