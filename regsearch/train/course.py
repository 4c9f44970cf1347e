"""Hyper-parameters that change while a pack trains: their course, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from regsearch.metrics import COURSE
from regsearch.regularizers import Hparams
from regsearch.space import Kind
from regsearch.train.task import Change


class Course:
    """The hyper-parameters of a pack's regularizers by name, such as ``volumization.v``.

    What it changes are the tensors ``[K]`` that every step reads: no program is compiled anew.
    """

    def __init__(self, methods: Sequence[Kind], hyper: Sequence[Hparams]) -> None:
        self._tensors = {
            f"{method.kind}.{name}": tensor
            for method, values in zip(methods, hyper, strict=True)
            for name, tensor in values.items()
        }

    def set(self, values: Mapping[str, float]) -> None:
        """Let all runs of the pack have these values from now on.

        What the pack's regularizers do not have is of others in the study.
        """
        for name, value in values.items():
            if name in self._tensors:
                self._tensors[name].fill_(value)

    def follow(self, changes: Sequence[Change], epoch: int) -> None:
        """Take the values that ``changes`` give from ``epoch`` (counted from 1) on."""
        for change in changes:
            if change.epoch == epoch:
                self.set(change.values)

    def now(self) -> dict[str, Tensor]:
        """The values in effect, ``[K]`` each, as quantities to measure."""
        return {f"{COURSE}{name}": tensor.clone() for name, tensor in self._tensors.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """The values in effect, by name; the tensors are those in use."""
        return self._tensors

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Go on from ``saved``."""
        for name, tensor in self._tensors.items():
            tensor.copy_(saved[name])
