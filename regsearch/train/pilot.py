"""A short measured pilot: how many runs to train together, and whether to compile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regsearch.datasets import DATASETS
from regsearch.optim import OPTIMIZERS
from regsearch.train.engine import Engine
from regsearch.train.initial import build_model
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task

COMPILE_S = 20.0
"""Seconds until the first compiled step of a new structure, cold cache; measured for a two-layer
perceptron on 2 cores of an EPYC: 17 to 25 when quiet, 6 with a warm cache."""

GAIN = 4.0
"""Eager over compiled step time; same machine: 5 (64-128-10), 3 to 4 for wider perceptrons."""

CACHE_BYTES = 24 * 2**20
"""State and activations of a compiled pack that still run from a CPU's caches: 49 runs of
64-128-10, 10 of 784-128-64-10 and 1 of 784-1024-10 were the fastest packs."""

MEMORY_SHARE = 0.5
"""Of the free memory, what one device's packs may fill."""

LADDER = (1, 4, 16, 64, 256)
RUNG_S = 0.3


@dataclass(frozen=True)
class Rung:
    """Eager training of ``runs`` runs together."""

    runs: int
    seconds: float  # for the steps of one epoch, all runs


@dataclass(frozen=True)
class Advice:
    """What the pilot recommends for runs of one structure, and what it expects of them."""

    runs_together: int
    compile: bool
    seconds: float  # of all runs on one worker
    bytes_per_run: int


def pilot(tasks: Sequence[Task], workers: int, engine: Engine, most: int | None = None) -> Advice:
    """Measure ``tasks``, runs of one structure, on this machine's idle core or device.

    Args:
        tasks: the runs at hand.
        workers: how many packs are trained at the same time.
        engine: device and threads; its ``compile`` is ignored.
        most: upper bound of the user's for runs together.
    """
    share = math.ceil(len(tasks) / workers)
    limit = min(share, most or share)
    need = bytes_per_run(tasks[0])
    eager = Engine(False, engine.device, engine.threads)
    limit = max(1, min(limit, int(MEMORY_SHARE * free_memory(engine.device) / workers / need)))
    rungs = [_climb(tasks[:runs], eager) for runs in LADDER if runs <= limit]
    cached = CACHE_BYTES if engine.device == "cpu" else None
    return advise(rungs, share, limit, tasks[0].train.epochs, need, cached)


def advise(
    rungs: Sequence[Rung], share: int, limit: int, epochs: int, need: int, cache: int | None
) -> Advice:
    """Recommendation from measured ``rungs``.

    Args:
        rungs: at least one.
        share: runs that fall to one worker.
        limit: most runs together.
        epochs: of each run.
        need: bytes of one run.
        cache: bytes within which a compiled pack is fastest; ``None``: wider is faster.
    """
    best = min(rungs, key=lambda rung: rung.seconds / rung.runs)
    eager = best.seconds / best.runs * share * epochs
    if not worth_compiling(eager):
        return Advice(best.runs, False, eager, need)
    together = limit if cache is None else max(1, min(limit, cache // need))
    return Advice(together, True, COMPILE_S + eager / GAIN, need)


def worth_compiling(eager_seconds: float) -> bool:
    """Whether compiling saves time on work that takes ``eager_seconds`` without."""
    return COMPILE_S + eager_seconds / GAIN < eager_seconds


def bytes_per_run(task: Task) -> int:
    """Memory that one more run in a pack needs while training.

    Weights, gradients and moving averages, and twice (forward and backward) what the layers put
    out for one batch; data are shared and left out.
    """
    data = DATASETS[task.dataset.kind].load(task.dataset)
    shape = tuple(data.x_train.shape[1:])
    model = build_model(task, shape, data.classes).to("meta").train()
    outputs = []

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            outputs.append(output.nbytes)

    for module in model.modules():
        if not any(module.children()):
            module.register_forward_hook(note)
    model(torch.empty(task.train.batch_size, *shape, device="meta"))
    weights = sum(param.nbytes for param in model.parameters())
    slots = OPTIMIZERS[task.train.optimizer.kind].slots(task.train.optimizer)
    return (2 + len(slots)) * weights + 2 * sum(outputs)


def free_memory(device: str) -> int:
    """Bytes that are free on ``device``."""
    if device != "cpu":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on the device or on the host."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _climb(tasks: Sequence[Task], engine: Engine) -> Rung:
    training = PackTraining(tasks, engine)
    training.time_steps(1)  # the first step sets things up
    steps = 1
    done, seconds = training.time_steps(steps)
    while seconds < RUNG_S / 2 and done == steps:
        steps *= 2
        done, seconds = training.time_steps(steps)
    config, examples = tasks[0].train, training.examples_per_epoch
    return Rung(len(tasks), seconds / done * math.ceil(examples / config.batch_size))
