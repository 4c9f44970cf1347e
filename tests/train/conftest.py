"""Tasks small enough to train in a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from regsearch.train.task import Task

MakeTask = Callable[..., Task]


@pytest.fixture
def make_task() -> MakeTask:
    """A run on 100 digits; keywords replace parts of the task, ``train`` its training settings."""

    def make(
        regularizer: dict[str, Any] | None = None, train: dict[str, Any] | None = None, **parts: Any
    ) -> Task:
        task: dict[str, Any] = {
            "dataset": {"kind": "digits", "train_size": 100},
            "model": {"kind": "mlp", "widths": [8]},
            "train": {"optimizer": {"kind": "adam", "lr": 0.01}, "epochs": 3, "batch_size": 32},
            "regularizers": [regularizer or {"kind": "none"}],
            "seed": 0,
        }
        task["train"] |= train or {}
        return Task.model_validate(task | parts)

    return make


@pytest.fixture(autouse=True)
def torch_as_before() -> Iterator[None]:
    """Training sets up the process; give it back as it was."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
