"""Which examples make a batch: a function of the epoch, and of the seed where asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from regsearch.train.seeds import generator
from regsearch.train.task import TrainConfig


def epoch_order(count: int, config: TrainConfig, seeds: Sequence[int], epoch: int) -> Tensor:
    """Order of ``count`` examples in one epoch (from 1): ``[N]`` shared, or ``[K, N]``."""
    if config.batches == "shared":
        return torch.randperm(count, generator=generator("batches", epoch))
    orders = {
        seed: torch.randperm(count, generator=generator(seed, "batches", epoch))
        for seed in set(seeds)
    }
    return torch.stack([orders[seed] for seed in seeds])


def examples_per_epoch(count: int, config: TrainConfig) -> int:
    """How many of ``count`` examples an epoch uses.

    A last batch that is shorter is left out if ``drop_last`` says so, unless it is the only one.
    """
    drop = config.drop_last and count >= config.batch_size
    return count - count % config.batch_size if drop else count


def batches(
    x: Tensor, y: Tensor, order: Tensor, config: TrainConfig
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs ``[B, ...]`` or ``[K, B, ...]`` and targets ``[K, B, ...]``, in this order."""
    shared = order.ndim == 1
    order = order[..., : examples_per_epoch(order.shape[-1], config)]
    targets = y[:, order] if shared else y[torch.arange(len(y), device=y.device)[:, None], order]
    parts = zip(
        torch.split(order, config.batch_size, -1),
        torch.split(targets, config.batch_size, 1),
        strict=True,
    )
    for index, part in parts:
        inputs = x.index_select(0, index.flatten())
        yield (inputs if shared else inputs.view(index.shape + x.shape[1:])), part
