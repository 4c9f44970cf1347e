"""Training steps per second of one core: packs against a plain loop in memory.

    python benchmarks/bench_steps.py [NET ...] [--precision fp32 bf16] [--rounds 5] [--seconds 1]

A step is one optimizer step of one run on a batch of 128: Adam, volumized, every epoch followed by an
evaluation of the test set in both contestants. The plain loops are what a researcher would write:
``torch.optim.Adam`` (default, and ``fused=True``) and a few lines that volumize. Times are CPU seconds of
the process, so that a busy neighbour distorts them less; rounds are interleaved; medians are
shown, and the ratio last. Compilation is reported apart. It counts as a result only if packed
and plain losses agree to 1e-4 over 50 steps.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from regsearch.datasets import DATASETS, Data, Dataset, DatasetConfig
from regsearch.models import MODELS
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.seeds import seed_of
from regsearch.train.step import Sums
from regsearch.train.task import Task

BATCH = 128
V, ALPHA, LR = 0.5, 0.5, 1e-3


class Net(NamedTuple):
    """What is trained, how many runs a pack holds, and the size of the data."""

    inputs: int
    widths: list[int]
    runs: int
    train: int
    test: int


NETS = {
    "64-128-10": Net(64, [128], 49, 1408, 256),
    "784-128-64-10": Net(784, [128, 64], 8, 5120, 1024),
    "784-1024-10": Net(784, [1024], 1, 5120, 1024),
}


def add_data(name: str, net: Net) -> None:
    """Random examples with the proportions of digits and MNIST, registered as a data set."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(net.train + net.test, net.inputs, generator=generator)
    y = torch.randint(0, 10, (len(x),), generator=generator)
    data = Data(x[: net.train], y[: net.train], x[net.train :], y[net.train :], 10, name)

    class Random(DatasetConfig):
        kind: str = name

    entry = Dataset(Random, "random", lambda config: data, lambda config: name)
    DATASETS.add(name, entry)


def make_tasks(name: str, net: Net, precision: str, runs: int) -> list[Task]:
    from pydantic import TypeAdapter

    TypeAdapter(Task).rebuild(force=True)
    return [
        Task.model_validate(
            {
                "dataset": {"kind": name},
                "model": {"kind": "mlp", "widths": net.widths},
                "train": {
                    "optimizer": {"kind": "adam", "lr": LR},
                    "epochs": 1_000_000,
                    "batch_size": BATCH,
                    "precision": precision,
                },
                "regularizers": [{"kind": "volumization", "v": V, "alpha": ALPHA}],
                "seed": seed,
            }
        )
        for seed in range(runs)
    ]
