"""Augmented batches: functions of the step, and of the seed where asked, whatever the pack."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from regsearch.datasets import DATASETS
from regsearch.train import augment
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.step import Mixed
from regsearch.train.task import digest

ALL = [
    {"kind": "crop", "padding": 1},
    {"kind": "flip"},
    {"kind": "random_resized_crop"},
    {"kind": "cutout", "size": 3},
    {"kind": "mixup"},
]
CUTMIX = [*ALL[:4], {"kind": "cutmix"}]


def pack_of(make_task: Any, seeds: list[int], entries: list[Any], **train: Any) -> PackTraining:
    tasks = [make_task(train={"augment": entries, **train}, seed=seed) for seed in seeds]
    return PackTraining(tasks, Engine())


def flat(batch: Any) -> list[torch.Tensor]:
    x, y = batch
    return [x, *y] if isinstance(y, Mixed) else [x, y]


def same(one: PackTraining, other: PackTraining) -> bool:
    pairs = zip(one._batches(), other._batches(), strict=True)
    return all(torch.equal(a, b) for x, y in pairs for a, b in zip(flat(x), flat(y), strict=True))


@pytest.mark.parametrize("entries", [ALL, CUTMIX])
def test_shared_batches_are_the_same_in_every_pack_and_new_in_every_step(
    entries: list[Any], make_task: Any
) -> None:
    pack, other = (pack_of(make_task, seeds, entries) for seeds in ([1, 2], [3, 3]))
    assert same(pack, other)
    first = [x for x, _ in pack._batches()]
    pack.run_epoch()
    assert not any(torch.equal(a, b) for a, (b, _) in zip(first, pack._batches(), strict=True))
    again = pack_of(make_task, [4, 5], entries)
    again.load_state_dict(pack.state_dict())
    assert same(pack, again)


@pytest.mark.parametrize("entries", [ALL, CUTMIX])
def test_independent_batches_belong_to_the_seed(entries: list[Any], make_task: Any) -> None:
    pack = pack_of(make_task, [1, 2, 1], entries, batches="independent")
    alone = pack_of(make_task, [2], entries, batches="independent")
    for (x, y), (own, its) in zip(pack._batches(), alone._batches(), strict=True):
        assert isinstance(y, Mixed)
        assert isinstance(its, Mixed)
        assert torch.equal(x[1], own[0])
        assert torch.equal(y.share[1], its.share[0])
        assert torch.equal(y.partner[1], its.partner[0])
        assert torch.equal(x[0], x[2])
        assert not torch.equal(x[0], x[1])
        assert y.share[0] != y.share[1]


@pytest.mark.parametrize("batches", ["shared", "independent"])
def test_how_many_numbers_are_drawn_at_once_changes_nothing(
    batches: str, make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"batches": batches, "drop_last": False, "batch_size": 9}
    whole, single = (pack_of(make_task, [1, 2], ALL, **settings) for _ in range(2))
    expected = [flat(batch) for batch in whole._batches()]
    monkeypatch.setattr(augment, "AHEAD", 1)
    found = [flat(batch) for batch in single._batches()]
    assert len(found) == 12
    for a, b in zip(expected, found, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_an_augmentation_draws_the_same_beside_others(make_task: Any) -> None:
    """So that studies that differ in one entry compare like with like."""
    alone, beside = pack_of(make_task, [1], ALL[3:4]), pack_of(make_task, [1], [*ALL[1:2], ALL[3]])
    mean = next(iter(alone._batches()))[0].new_tensor(float(alone._data.x_train.mean()))
    for (x, _), (both, _) in zip(alone._batches(), beside._batches(), strict=True):
        assert torch.equal((x - mean).abs() < 1e-6, (both - mean).abs() < 1e-6)


def test_targets_of_mixed_examples_are_those_of_who_is_in_them(make_task: Any) -> None:
    pack = pack_of(make_task, [1, 2], [{"kind": "mixup", "alpha": 1.0}])
    plain = pack_of(make_task, [1, 2], [])
    for (x, y), (own, its) in zip(pack._batches(), plain._batches(), strict=True):
        assert isinstance(y, Mixed)
        assert isinstance(its, torch.Tensor)
        assert torch.equal(y.own, its)
        share = float(y.share[0])
        assert y.share.tolist() == [share, share]
        for i in range(len(x)):
            torch.testing.assert_close(x[i], share * own[i] + (1 - share) * own[i - 1])
            assert torch.equal(y.partner[:, i], its[:, i - 1])


@pytest.mark.parametrize("batches", ["shared", "independent"])
def test_a_run_of_a_pack_is_the_run_alone(batches: str, make_task: Any) -> None:
    pack = pack_of(make_task, [1, 2], CUTMIX, batches=batches)
    alone = pack_of(make_task, [2], CUTMIX, batches=batches)
    for _ in range(2):
        together, single = pack.run_epoch(), alone.run_epoch()
    for name, value in alone.state.params.items():
        torch.testing.assert_close(pack.state.params[name][1], value[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together["train_loss"][1], single["train_loss"][0])


def test_what_is_measured_sees_the_data_as_they_are(make_task: Any) -> None:
    task = make_task(train={"augment": CUTMIX})
    pack = PackTraining([task], Engine())
    data = DATASETS["digits"].load(task.dataset)
    pack.run_epoch()
    assert torch.equal(pack._data.x_test, data.x_test)
    assert torch.equal(pack._data.x_train, data.x_train)


def test_without_augmentation_a_run_is_the_one_that_it_was_before_there_was_any(
    make_task: Any,
) -> None:
    none, empty = make_task(), make_task(train={"augment": []})
    assert "augment" not in none.content()["train"]
    assert digest(none.content()) == digest(empty.content())
    flipped = make_task(train={"augment": [{"kind": "flip"}]})
    assert flipped.content()["train"]["augment"] == [{"kind": "flip", "probability": 0.5}]
    assert digest(flipped.structure()) != digest(none.structure())
