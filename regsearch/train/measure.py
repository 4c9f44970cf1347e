"""Dear measurements: made when they are due, missing from the curves in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from regsearch.cells import Tree
from regsearch.metrics import MEASUREMENTS, Histograms, MeasurementConfig, Subject
from regsearch.train.effective import effective_weights
from regsearch.train.evaluate import Evaluation


class Measured(NamedTuple):
    """What measuring a pack gives after an epoch: a number for each run, and histograms."""

    values: Tree  # [K] each
    histograms: dict[str, Histograms]


class Measurements(NamedTuple):
    """What a study asks to be measured of a pack, beyond the metrics of every epoch."""

    configs: Sequence[MeasurementConfig]
    epochs: int  # of training
    evaluation: Evaluation
    seed: Tensor  # [K]
    chunk: int  # examples that fit in memory at a time, with gradients
    examples: int  # that each run is trained on in an epoch

    def after(self, epoch: int, params: Tree, buffers: Tree) -> Measured:
        """All quantities after ``epoch`` (from 1), ``[K]`` each; NaN for those that are not due."""
        nothing = torch.full_like(self.seed, torch.nan, dtype=torch.float32)
        names = [
            name for config in self.configs for name in MEASUREMENTS[config.kind].names(config)
        ]
        measured = Measured(dict.fromkeys(names, nothing), {})
        due = [config for config in self.configs if config.is_due(epoch, self.epochs)]
        if due:
            subject = self._subject(params, buffers, seen=epoch * self.examples)
            with torch.no_grad():
                for config in due:
                    for name, found in MEASUREMENTS[config.kind].measure(subject, config).items():
                        if isinstance(found, Histograms):
                            measured.histograms[name] = found
                        else:
                            measured.values[name] = found
        return measured

    @torch.no_grad()
    def time(self, params: Tree, buffers: Tree, clock: Callable[[], float], budget: float) -> float:
        """Seconds that all this takes in a whole training, by ``clock``, about.

        What is measured of ``samples`` examples is made of 1, 4, 16 ... until it takes ``budget``
        seconds, and taken to go on growing so; all else is made once.
        """
        if not self.configs:
            return 0.0
        subject, total = self._subject(params, buffers, seen=0), 0.0
        for config in self.configs:
            times = sum(config.is_due(epoch, self.epochs) for epoch in range(1, self.epochs + 1))
            total += times * _seconds(subject, config, clock, budget)
        return total

    def _subject(self, params: Tree, buffers: Tree, seen: int) -> Subject:
        model, data = self.evaluation.model, self.evaluation.data
        return Subject(
            model,
            params,
            buffers,
            effective_weights(model, params, buffers),
            data.x_train,
            data.y_train,
            data.y_true,
            data.x_test,
            data.y_test,
            self.seed,
            self.chunk,
            data.pixels,
            seen,
        )


def _seconds(
    subject: Subject, config: MeasurementConfig, clock: Callable[[], float], budget: float
) -> float:
    def seconds_of(**settings: int) -> float:
        began = clock()
        wanted = config.model_copy(update=settings)
        for found in MEASUREMENTS[config.kind].measure(subject, wanted).values():
            if isinstance(found, Tensor):
                float(found.sum())  # waits for the device
        return clock() - began

    if "samples" not in type(config).model_fields:
        return seconds_of()
    every = max(len(subject.x_train), len(subject.x_test))
    whole = min(getattr(config, "samples", None) or every, every)
    seconds_of(samples=1)  # the first time sets things up
    count, taken, growth = 1, seconds_of(samples=1), 0.0
    while count < whole and taken < budget:
        more = min(4 * count, whole)
        before, taken = taken, seconds_of(samples=more)
        growth, count = max(0.0, taken - before) / (more - count), more
    return taken + (growth or taken / count) * (whole - count)
