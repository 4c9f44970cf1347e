"""Batches with the augmentations of a pack: the same for a run in any pack, on any device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from regsearch.augmentations import AUGMENTATIONS, Colours, partners
from regsearch.draws import uniform
from regsearch.train.seeds import seed_of
from regsearch.train.step import Mixed, Targets
from regsearch.train.task import TrainConfig

AHEAD = 2**16
"""Random numbers that are drawn at once: many small draws cost more than a few larger ones."""


class Augmenting:
    """Changes batches as ``config.augment`` says, entry by entry.

    Random numbers follow from the step and the augmentation alone where all runs share their
    batches, and from a run's seed as well where they do not.
    """

    def __init__(self, config: TrainConfig, seeds: Sequence[int], x_train: Tensor) -> None:
        self._configs = config.augment
        self._shared = config.batches == "shared"
        streams = ["shared"] if self._shared else seeds
        own = [seed_of(stream, "augment") for stream in streams]
        self._seeds = torch.tensor(own, device=x_train.device)  # [R], R is 1 or the runs' number
        self._colours = Colours(x_train)

    def __call__(
        self, batches: Iterable[tuple[Tensor, Tensor]], first: int
    ) -> Iterator[tuple[Tensor, Targets]]:
        """The batches of one epoch, whose first step is number ``first`` of the whole training."""
        if not self._configs:
            yield from batches
            return
        drawn: list[tuple[Tensor, ...]] = []
        for step, (x, y) in enumerate(batches, first):
            drawn = drawn or self._draw(step, y.shape[1])
            yield self._augment(x, y, drawn.pop(0))

    def _draw(self, step: int, examples: int) -> list[tuple[Tensor, ...]]:
        """Numbers of the steps from ``step`` on, for each of them one tensor an augmentation."""
        entries = [AUGMENTATIONS[config.kind] for config in self._configs]
        of_step = len(self._seeds) * examples * sum(entry.numbers for entry in entries)
        count = max(1, AHEAD // of_step)
        steps = torch.arange(step, step + count, device=self._seeds.device)
        return list(
            zip(*(self._numbers(c.kind, steps, examples) for c in self._configs), strict=True)
        )

    def _numbers(self, kind: str, steps: Tensor, examples: int) -> Tensor:
        """``[T, R, numbers]`` in T steps where batches are mixed, else one more axis of examples.

        A shorter batch takes the first of them.
        """
        entry, runs = AUGMENTATIONS[kind], len(self._seeds)
        shape = (entry.numbers,) if entry.mix else (examples, entry.numbers)
        seeds, step = self._seeds.repeat(len(steps)), steps.repeat_interleave(runs)
        like = torch.empty((), dtype=torch.float64, device=steps.device).expand(len(step), *shape)
        return uniform(seeds, step, kind, like).view(len(steps), runs, *shape)

    def _augment(self, x: Tensor, y: Tensor, drawn: Sequence[Tensor]) -> tuple[Tensor, Targets]:
        x = x[None] if self._shared else x
        targets: Targets = y
        for config, u in zip(self._configs, drawn, strict=True):
            entry = AUGMENTATIONS[config.kind]
            if entry.mix:
                x, share = entry.mix(x, u, config)
                targets = Mixed(y, partners(y), share.float().expand(len(y)).contiguous())
            elif entry.change:
                own = u[:, : x.shape[1]].flatten(0, 1)
                x = entry.change(x.flatten(0, 1), own, config, self._colours).view(x.shape)
        return x[0] if self._shared else x, targets
