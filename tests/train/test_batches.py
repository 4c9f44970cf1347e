from __future__ import annotations

import pytest
import torch

from regsearch.train.batches import batches, epoch_order, examples_per_epoch


@pytest.mark.parametrize("mode", ["shared", "independent"])
def test_an_epoch_shows_each_example_once_with_its_own_label(mode, make_task) -> None:  # type: ignore[no-untyped-def]
    config = make_task(train={"batches": mode, "drop_last": False, "batch_size": 8}).train
    x, y = torch.arange(30.0)[:, None], torch.stack([torch.arange(30), torch.arange(30) + 100])
    seen = []
    for inputs, labels in batches(x, y, epoch_order(30, config, [5, 6], 1), config):
        both = inputs[..., 0].long().expand(2, -1)
        assert torch.equal(labels - both, torch.tensor([[0], [100]]).expand_as(both))
        seen.append(both)
    for run in torch.cat(seen, 1):
        assert sorted(run.tolist()) == list(range(30))


def test_shared_order_depends_on_the_epoch_alone(make_task) -> None:  # type: ignore[no-untyped-def]
    config = make_task().train
    first = epoch_order(50, config, [1, 2], 1)
    assert torch.equal(first, epoch_order(50, config, [3], 1))
    assert not torch.equal(first, epoch_order(50, config, [1, 2], 2))


def test_independent_order_depends_on_seed_and_epoch_not_on_the_pack(make_task) -> None:  # type: ignore[no-untyped-def]
    config = make_task(train={"batches": "independent"}).train
    pack = epoch_order(50, config, [1, 2, 1], 4)
    assert torch.equal(pack[1], epoch_order(50, config, [2], 4)[0])
    assert torch.equal(pack[0], pack[2])
    assert not torch.equal(pack[0], pack[1])


@pytest.mark.parametrize(
    ("count", "size", "drop", "used"),
    [(10, 4, True, 8), (10, 4, False, 10), (3, 4, True, 3), (8, 4, True, 8)],
)
def test_a_short_last_batch_is_dropped_unless_it_is_the_only_one(  # type: ignore[no-untyped-def]
    count, size, drop, used, make_task
) -> None:
    config = make_task(train={"batch_size": size, "drop_last": drop}).train
    assert examples_per_epoch(count, config) == used
    parts = batches(torch.rand(count, 1), torch.zeros(1, count), torch.arange(count), config)
    assert sum(labels.shape[1] for _, labels in parts) == used
