"""Training steps per second of one core: packs against a plain loop with its data in memory.

    python benchmarks/bench_steps.py [NET ...] [--precision fp32] [--rounds 5] [--seconds 1]

A step is one optimizer step of one run on a batch of 128: Adam, volumized, with an evaluation on
the test set after every epoch. The plain loops are what a researcher would write: one model,
``torch.optim.Adam`` (default, or ``fused=True``), a few lines that volumize. One thread each.
Times are CPU seconds, so that a busy neighbour distorts them less; rounds are interleaved and
medians shown. Nothing is timed unless the mean losses of pack and plain loop agree to 1e-4 in
every epoch of at least 50 steps.

Seen on one core of a 2-core AMD EPYC (AVX2, 75 to 90 GFLOP/s, 13 to 15 GB/s), torch 2.15, with
other work on the machine, fp32, steps/s (plain, fused, pack): 64-128-10: 624, 745, 4,417 (7.1
times plain; 6.1 and 6.3 in other runs); 784-128-64-10: 204, 243, 754 (3.7; 3.5); 784-1024-10:
45, 50, 103 (2.3).
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from regsearch.datasets import DATASETS
from regsearch.models import MODELS
from regsearch.train.batches import epoch_order
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.seeds import seed_of
from regsearch.train.task import Task

BATCH, LR, V, ALPHA = 128, 1e-3, 0.5, 0.5


class Net(NamedTuple):
    """What is trained, how many runs a pack holds, and how many examples there are."""

    inputs: int
    widths: list[int]
    runs: int
    train: int
    test: int


NETS = {
    "64-128-10": Net(64, [128], 24, 1408, 360),
    "784-128-64-10": Net(784, [128, 64], 4, 5120, 853),
    "784-1024-10": Net(784, [1024], 1, 5120, 853),
}
"""Test sets in the proportion of digits and MNIST; runs as the pilot recommends for this CPU."""


class PlainLoop:
    """One run the usual way; ``epoch`` trains one and returns its mean loss."""

    def __init__(self, task: Task, fused: bool) -> None:
        torch.manual_seed(seed_of(task.seed, "init"))
        self.task, self.data = task, DATASETS["arrays"].load(task.dataset)
        shape = tuple(self.data.x_train.shape[1:])
        self.model = MODELS["mlp"].build(task.model, shape, 10)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LR, fused=fused)
        self.weights = [p for p in self.model.parameters() if p.ndim > 1]
        self.walls = [V * math.sqrt(6 / weight.shape[1]) for weight in self.weights]
        self.epochs = 0

    def epoch(self) -> float:
        """Train one epoch; the mean loss while training."""
        self.epochs += 1
        x, y = self.data.x_train, self.data.y_train
        order = epoch_order(len(x), self.task.train, [0], self.epochs)
        total = torch.zeros(())
        for index in torch.split(order, BATCH):
            self.optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, self.task.train.precision == "bf16"):
                logits = self.model(x[index])
            loss = nn.functional.cross_entropy(logits.float(), y[index])
            loss.backward()
            self.optimizer.step()
            self.volumize()
            total += loss.detach()
        with torch.no_grad():
            logits = self.model(self.data.x_test)
            nn.functional.cross_entropy(logits, self.data.y_test).item()
            (logits.argmax(1) == self.data.y_test).float().mean().item()
        return float(total) * BATCH / len(x)

    @torch.no_grad()
    def volumize(self) -> None:
        """What a user adds after ``optimizer.step()``."""
        for weight, wall in zip(self.weights, self.walls, strict=True):
            outside = weight.abs() > wall
            momentum = self.optimizer.state[weight]["exp_avg"]
            momentum.copy_(torch.where(outside, ALPHA * momentum, momentum))
            confined = weight.sign() * (wall + ALPHA * (weight.abs() - wall))
            weight.copy_(torch.where(outside, confined, weight))


def write_data(path: Path, net: Net) -> None:
    """Random examples in the shapes of ``net``."""
    rng = np.random.default_rng(0)
    count = net.train + net.test
    x = rng.normal(size=(count, net.inputs)).astype(np.float32)
    y = rng.integers(0, 10, count)
    n = net.train
    np.savez(path, x_train=x[:n], y_train=y[:n], x_test=x[n:], y_test=y[n:])


def make_tasks(path: Path, net: Net, precision: str) -> list[Task]:
    """One run per seed."""
    train = {
        "optimizer": {"kind": "adam", "lr": LR},
        "epochs": 1_000_000,
        "batch_size": BATCH,
        "precision": precision,
    }
    return [
        Task.model_validate(
            {
                "dataset": {"kind": "arrays", "path": str(path)},
                "model": {"kind": "mlp", "widths": net.widths},
                "train": train,
                "regularizers": [{"kind": "volumization", "v": V, "alpha": ALPHA}],
                "seed": seed,
            }
        )
        for seed in range(net.runs)
    ]


def check_quality(pack: PackTraining, plain: PlainLoop, tolerance: float, net: Net) -> None:
    """Stop unless both train the same run."""
    for epoch in range(math.ceil(50 * BATCH / net.train)):
        ours, theirs = float(pack.run_epoch()["train_loss"][0]), plain.epoch()
        if abs(ours - theirs) > tolerance:
            raise SystemExit(
                f"epoch {epoch + 1}: packed loss {ours}, plain loss {theirs}: no result"
            )


def epochs_per_second(epoch: Callable[[], object], seconds: float) -> float:
    """Epochs in a CPU second."""
    began, done = time.process_time(), 0
    while time.process_time() - began < seconds:
        epoch()
        done += 1
    return done / (time.process_time() - began)


def fastest(action: Callable[[], Tensor], times: int = 7) -> float:
    """Least CPU seconds of an action."""
    action()
    found = []
    for _ in range(times):
        began = time.process_time()
        action()
        found.append(time.process_time() - began)
    return min(found)


def print_ceilings() -> None:
    """What this core can do at most: matrix products and memory traffic."""
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(1024, 1024, dtype=dtype)
        flops = 2 * 1024**3 / fastest(partial(torch.mm, a, a, out=torch.empty_like(a)))
        print(f"GEMM {dtype}: {flops / 1e9:.0f} GFLOP/s")
    source = torch.ones(16 * 2**20)
    traffic = 2 * source.nbytes / fastest(partial(torch.empty_like(source).copy_, source))
    print(f"copy 64 MB: {traffic / 1e9:.1f} GB/s")


def measure(name: str, precision: str, rounds: int, seconds: float) -> None:
    """One table."""
    net = NETS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.npz")
        write_data(path, net)
        tasks = make_tasks(path, net, precision)
        pack = PackTraining(tasks, Engine(compile=True))
        began, cpu = time.perf_counter(), time.process_time()
        pack.run_epoch()
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        print(f"{name} {precision}: first epoch, with compilation, {wall:.1f} s ({cpu:.1f} s CPU)")
        again = PackTraining(tasks, Engine(compile=True))
        tolerance = 1e-4 if precision == "fp32" else 2e-2
        check_quality(again, PlainLoop(tasks[0], False), tolerance, net)
        contestants = {
            "plain loop": (PlainLoop(tasks[0], False).epoch, 1),
            "plain loop, fused Adam": (PlainLoop(tasks[0], True).epoch, 1),
            f"pack of {net.runs}": (pack.run_epoch, net.runs),
        }
        steps: dict[str, list[float]] = {label: [] for label in contestants}
        for _ in range(rounds):
            for label, (epoch, runs) in contestants.items():
                rate = epochs_per_second(epoch, seconds)
                steps[label].append(rate * runs * net.train / BATCH)
    rates = {label: statistics.median(values) for label, values in steps.items()}
    for label, rate in rates.items():
        print(f"  {label:<24} {rate:>10,.0f} steps/s per core  {1e6 / rate:>8,.0f} us/step")
    packed = rates[f"pack of {net.runs}"]
    over = [packed / rates[label] for label in ("plain loop", "plain loop, fused Adam")]
    print(f"  ratio: {over[0]:.1f} times the plain loop, {over[1]:.1f} times with fused Adam")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*", default=list(NETS), metavar="NET")
    parser.add_argument("--precision", nargs="+", default=["fp32"], choices=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU seconds a turn")
    arguments = parser.parse_args()
    Engine().prepare()
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, 1 thread")
    if "bf16" in arguments.precision and not torch.cpu._is_avx512_bf16_supported():
        print("this CPU has no bf16 units: bf16 is emulated, its figures say nothing")
    print_ceilings()
    for name in arguments.nets:
        for precision in arguments.precision:
            measure(name, precision, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
