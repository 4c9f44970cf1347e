"""A short measured pilot: how many runs to train together, and whether to compile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from regsearch.datasets import DATASETS
from regsearch.models import MODELS
from regsearch.optim import OPTIMIZERS
from regsearch.train.compile import compiler_found
from regsearch.train.engine import Engine
from regsearch.train.initial import build_model
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task

COMPILE_S = 15.0
"""Seconds until the first compiled step of a new structure, nothing cached: 13 to 18 for
perceptrons of two and three layers on a busy 2-core EPYC; 4 to 7 once it has been compiled."""

GAIN = 4.0
"""Eager over compiled step time: 3.8 (64-128-10, best pack sizes: 538 and 140 us a step)."""

CACHE_BYTES = 12 * 2**20
"""State and activations of a compiled pack that still run from a CPU's caches. Fastest on that
machine: 16 to 32 runs of 64-128-10 (0.5 MB each), 4 to 10 of 784-128-64-10 (3 MB); with busy
neighbours, who share the last cache, the lower end."""

MEMORY_SHARE = 0.5
"""Of the free memory, what one device's packs may fill."""

LADDER = (1, 4, 16, 64, 256)
RUNG_S = 0.3
NOISE = 0.1
"""Packs that are slower by less than this are as fast: the largest of them is taken."""


@dataclass(frozen=True)
class Rung:
    """Eager training of ``runs`` runs together."""

    runs: int
    seconds: float  # for the steps of one epoch, all runs
    evaluation: float = 0.0  # seconds, after each epoch, compiled or not


@dataclass(frozen=True)
class Work:
    """What is to be trained, and with what."""

    runs: int  # that fall to one worker
    most: int  # that may be trained together
    epochs: int  # of each run
    bytes_per_run: int
    cache: int | None  # bytes in which a compiled pack is fastest; None: wider is faster
    compiler: bool  # whether there is one, and such models gain from it
    measuring: float = 0.0  # seconds of dear measurements, of each run


@dataclass(frozen=True)
class Advice:
    """What the pilot recommends for runs of one structure, and what it expects of them."""

    runs_together: int
    compile: bool
    seconds: float  # of the share of one worker
    bytes_per_run: int


def pilot(
    tasks: Sequence[Task],
    workers: int,
    engine: Engine,
    most: int | None = None,
    sharing: int | None = None,
) -> Advice:
    """Measure ``tasks``, runs of one structure, on this machine's idle core or device.

    Args:
        tasks: the runs at hand.
        workers: how many packs are trained at the same time.
        engine: device and threads; its ``compile`` is ignored.
        most: upper bound of the user's for runs together.
        sharing: packs that share the device's memory; ``None``: all ``workers`` do.
    """
    share, need = math.ceil(len(tasks) / workers), bytes_per_run(tasks[0])
    eager = replace(engine, compile=False)
    fitting = int(MEMORY_SHARE * free_memory(engine.device) / (sharing or workers) / need)
    work = Work(
        runs=share,
        most=max(1, min(share, most or share, fitting)),
        epochs=tasks[0].train.epochs,
        bytes_per_run=need,
        cache=CACHE_BYTES if engine.device == "cpu" else None,
        compiler=compiler_helps(tasks[0], engine.device),
        measuring=_measuring(tasks[0], eager),
    )
    ladder = [*(runs for runs in LADDER if runs < work.most), work.most]
    return advise([_climb(tasks[:runs], eager) for runs in ladder[: len(LADDER)]], work)


def advise(rungs: Sequence[Rung], work: Work) -> Advice:
    """Recommendation for ``work`` from at least one measured rung."""
    per_run = [(rung.seconds + rung.evaluation) / rung.runs for rung in rungs]
    limit = min(per_run) * (1 + NOISE)
    best = [rung for rung, cost in zip(rungs, per_run, strict=True) if cost <= limit][-1]
    share = work.runs * work.epochs / best.runs
    steps, evaluation = best.seconds * share, best.evaluation * share
    evaluation += work.measuring * work.runs
    if not (work.compiler and worth_compiling(steps)):
        return Advice(best.runs, False, steps + evaluation, work.bytes_per_run)
    together = work.most
    if work.cache is not None:
        together = max(1, min(together, work.cache // work.bytes_per_run))
    return Advice(together, True, COMPILE_S + steps / GAIN + evaluation, work.bytes_per_run)


def worth_compiling(eager_seconds: float) -> bool:
    """Whether compiling saves time on steps that take ``eager_seconds`` without."""
    return COMPILE_S + eager_seconds / GAIN < eager_seconds


def compiler_helps(task: Task, device: str) -> bool:
    """Whether there is a compiler, and the model may be faster with it.

    On a CPU convolutions are left to the same library compiled or not: ResNet-18 is as fast
    without, and needs a minute to compile.
    """
    if not compiler_found() or not MODELS[task.model.kind].compiles:
        return False
    data = DATASETS[task.dataset.kind].load(task.dataset)
    with torch.device("meta"):
        layers = build_model(task, data).modules()
    return device != "cpu" or not any(isinstance(layer, _ConvNd) for layer in layers)


def bytes_per_run(task: Task) -> int:
    """Memory that one more run in a pack needs while training.

    Weights, gradients and moving averages, and twice (forward and backward) what the layers put
    out for one batch; data are shared and left out.
    """
    data = DATASETS[task.dataset.kind].load(task.dataset)
    model = build_model(task, data).to("meta").train()
    outputs = []

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            outputs.append(output.nbytes)

    for module in model.modules():
        if not any(module.children()):
            module.register_forward_hook(note)
    examples = (task.train.batch_size, *data.x_train.shape[1:])
    model(torch.empty(examples, dtype=data.x_train.dtype, device="meta"))
    weights = sum(param.nbytes for param in model.parameters())
    slots = OPTIMIZERS[task.train.optimizer.kind].slots({}, task.train.optimizer)
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


def _measuring(task: Task, engine: Engine) -> float:
    return PackTraining([task], engine).time_measurements(RUNG_S) if task.measure else 0.0


def _climb(tasks: Sequence[Task], engine: Engine) -> Rung:
    training = PackTraining(tasks, engine)
    training.time_steps(1)  # the first step sets things up
    steps = 1
    done, seconds = training.time_steps(steps)
    while seconds < RUNG_S / 2 and done == steps:
        steps *= 2
        done, seconds = training.time_steps(steps)
    per_epoch = math.ceil(training.examples_per_epoch / tasks[0].train.batch_size)
    return Rung(len(tasks), seconds / done * per_epoch, training.time_evaluation())
