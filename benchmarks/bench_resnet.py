"""ResNet-18 on small images, one run: a plain PyTorch loop against a pack of one.

    python benchmarks/bench_resnet.py [--batch 16] [--steps 2] [--rounds 3] [--width 64]
                                      [--precision fp32 bf16] [--device cpu] [--data FILE]

A pack of one is computed without vmap, as the plain loop is: what is left is the engine's own cost.
Both train the same run, SGD with momentum 0.9, in contiguous and in channels-last memory; nothing
is timed unless their losses agree. One thread on a CPU, whose seconds of this thread are counted,
so that a busy neighbour distorts them less; rounds are interleaved and medians shown. `--data` is
an `.npz` file for `dataset: {kind: arrays}`, such as the CIFAR-10 subset; without it the images are
random, which changes no figure.

Seen on one core of a 2-core AMD EPYC (AVX2), torch 2.15, with much other work on the machine, fp32,
batches of 16, samples/s (plain, pack of one): contiguous 12.3, 11.7; channels-last 12.3, 12.3; in
another run 10.6, 10.2 and 10.5, 10.1. What the pack loses is its optimizer's, whose operations are
not fused; larger batches hide it. bf16, which this CPU has to emulate: 0.7 for the plain loop.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import machine
import numpy as np
import torch
from torch import nn

from regsearch.cells import Tree
from regsearch.datasets import DATASETS
from regsearch.models import MODELS
from regsearch.train.batches import epoch_order
from regsearch.train.engine import Engine
from regsearch.train.layout import channels_last
from regsearch.train.loop import PackTraining
from regsearch.train.seeds import seed_of
from regsearch.train.task import Task

LR, MOMENTUM = 0.01, 0.9
TOLERANCE = {"fp32": 1e-3, "bf16": 5e-2}
FORMATS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


class PlainLoop:
    """What a researcher would write."""

    def __init__(self, task: Task, device: torch.device, form: torch.memory_format) -> None:
        torch.manual_seed(seed_of(task.seed, "init"))
        data = DATASETS["arrays"].load(task.dataset)
        model = MODELS["resnet18"].build(task.model, tuple(data.x_train.shape[1:]), data.classes)
        self.model = model.to(device).to(memory_format=form)
        self.optimizer = torch.optim.SGD(self.model.parameters(), LR, momentum=MOMENTUM)
        self.x = data.x_train.to(device, memory_format=form)
        self.y = data.y_train.to(device)
        self.task = task

    def epoch(self) -> float:
        """Train on every image once; the mean loss."""
        order = epoch_order(len(self.x), self.task.train, [self.task.seed], 1).to(self.x.device)
        total = torch.zeros((), device=self.x.device)
        for index in torch.split(order, self.task.train.batch_size):
            self.optimizer.zero_grad()
            bf16 = self.task.train.precision == "bf16"
            with torch.autocast(self.x.device.type, torch.bfloat16, bf16):
                logits = self.model(self.x[index])
            loss = nn.functional.cross_entropy(logits.float(), self.y[index])
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += loss.detach() * len(index)
        return float(total) / len(self.x)


def start_pack(task: Task, engine: Engine, form: torch.memory_format) -> PackTraining:
    """The same run as a pack of one, in a layout that may not be the engine's choice."""
    training = PackTraining([task], engine)
    lay_out = channels_last if form is torch.channels_last else contiguous
    state = training.state
    slots = {slot: lay_out(averages) for slot, averages in state.slots.items()}
    training.state = state._replace(params=lay_out(state.params), slots=slots)
    return training


def contiguous(weights: Tree) -> Tree:
    """The same values in torch's default layout."""
    return {name: weight.contiguous() for name, weight in weights.items()}


def write_data(path: Path, source: Path | None, count: int) -> None:
    """The first ``count`` images of ``source``, or random ones in CIFAR-10's shape."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (count, 32, 32, 3), np.uint8), np.arange(count) % 10
    if source:
        with np.load(source, allow_pickle=False) as images:
            x, y = images["x_train"][:count], images["y_train"][:count]
    np.savez(path, x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])


def make_task(path: Path, precision: str, arguments: argparse.Namespace) -> Task:
    """One run."""
    train = {
        "optimizer": {"kind": "sgd", "lr": LR, "momentum": MOMENTUM},
        "epochs": 1,
        "batch_size": arguments.batch,
        "precision": precision,
    }
    return Task.model_validate(
        {
            "dataset": {"kind": "arrays", "path": str(path)},
            "model": {"kind": "resnet18", "width": arguments.width},
            "train": train,
            "regularizers": [{"kind": "none"}],
            "seed": 0,
        }
    )


def check_quality(task: Task, engine: Engine, device: torch.device) -> None:
    """Stop unless both train the same run."""
    ours = float(PackTraining([task], engine).run_epoch()["train_loss"][0])
    theirs = PlainLoop(task, device, torch.contiguous_format).epoch()
    if abs(ours - theirs) > TOLERANCE[task.train.precision]:
        raise SystemExit(f"loss of the pack {ours}, of the plain loop {theirs}: no result")


def seconds_of(epoch: Callable[[], object], device: torch.device) -> float:
    """Seconds of this thread on a CPU, of the clock on a GPU."""
    clock = time.thread_time if device.type == "cpu" else time.perf_counter
    began = clock()
    epoch()
    return clock() - began


def measure(task: Task, engine: Engine, arguments: argparse.Namespace) -> None:
    """One table."""
    device, examples = engine.prepare(), arguments.batch * arguments.steps
    check_quality(task, engine, device)
    contestants: dict[str, Callable[[], object]] = {}
    for name, form in FORMATS.items():
        contestants[f"plain loop, {name}"] = PlainLoop(task, device, form).epoch
        training = start_pack(task, engine, form)
        contestants[f"pack of one, {name}"] = partial(training.time_steps, arguments.steps)
    taken: dict[str, list[float]] = {label: [] for label in contestants}
    for _ in range(arguments.rounds):
        for label, epoch in contestants.items():
            taken[label].append(seconds_of(epoch, device))
    rates = {label: examples / machine.median(seconds) for label, seconds in taken.items()}
    print(f"{task.train.precision}, batches of {arguments.batch}")
    for label, rate in rates.items():
        print(f"  {label:<28} {rate:>9,.1f} samples/s")
    for name in FORMATS:
        ratio = rates[f"pack of one, {name}"] / rates[f"plain loop, {name}"]
        print(f"  {name}: {ratio:.2f} times the plain loop")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=2, help="batches a turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--precision", nargs="+", default=["fp32"], choices=["fp32", "bf16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, help="an .npz file of images")
    arguments = parser.parse_args()
    print(machine.describe())
    if "bf16" in arguments.precision and arguments.device == "cpu" and not has_bf16():
        print("this CPU has no bf16 units: bf16 is emulated, its figures say nothing")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npz")
        write_data(path, arguments.data, arguments.batch * arguments.steps)
        for precision in arguments.precision:
            task = make_task(path, precision, arguments)
            measure(task, Engine(device=arguments.device), arguments)


def has_bf16() -> bool:
    """Whether the CPU computes in bf16."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


if __name__ == "__main__":
    main()
