"""Dear measurements: made when they are due, missing from the curves in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from regsearch.cells import Tree
from regsearch.metrics import MEASUREMENTS, MeasurementConfig, Subject
from regsearch.train.effective import effective_weights
from regsearch.train.evaluate import Evaluation


class Measurements(NamedTuple):
    """What a study asks to be measured of a pack, beyond the metrics of every epoch."""

    configs: Sequence[MeasurementConfig]
    epochs: int  # of training
    evaluation: Evaluation
    seed: Tensor  # [K]
    chunk: int  # examples that fit in memory at a time, with gradients

    def after(self, epoch: int, params: Tree, buffers: Tree) -> Tree:
        """All quantities after ``epoch`` (from 1), ``[K]`` each; NaN for those that are not due."""
        nothing = torch.full_like(self.seed, torch.nan, dtype=torch.float32)
        names = [
            name for config in self.configs for name in MEASUREMENTS[config.kind].names(config)
        ]
        measured = dict.fromkeys(names, nothing)
        due = [config for config in self.configs if config.is_due(epoch, self.epochs)]
        if due:
            subject = self._subject(params, buffers)
            with torch.no_grad():
                for config in due:
                    measured |= MEASUREMENTS[config.kind].measure(subject, config)
        return measured

    def _subject(self, params: Tree, buffers: Tree) -> Subject:
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
        )
