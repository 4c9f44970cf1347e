"""What a run costs beyond its training: 49, 490 and 4,900 runs that do almost no work.

Whole processes are timed, from start to the last record, without report pages and MLflow; what the
records say was training is taken off. Beside it Ray Tune with trials that do nothing, one run a
trial and `reuse_actors`, its fastest way. Run by hand:

    python benchmarks/bench_overhead.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import peer_tune

from regsearch import open_study

SIZES = (49, 490, 4900)

PIPELINE = """
name: overhead
search_space:
  regularizers:
    - {{kind: volumization, v: {{linspace: [0.1, 1, 7]}}, alpha: {{linspace: [-1, 1, 7]}}}}
dataset: {{kind: digits, train_size: 32}}
model: {{kind: mlp, widths: [1]}}
train: {{optimizer: {{kind: sgd, lr: 1e-3}}, batch_size: 32, epochs: 1}}
seeds: {seeds}
compile: false
tracking: null
"""


def time_ours(runs: int) -> tuple[float, float]:
    """Seconds of the whole process, and seconds of training on one worker, for ``runs`` runs."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "overhead.yaml"
        file.write_text(PIPELINE.format(seeds=runs // 49))
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "regsearch", "run", str(file), "--output", f"{folder}/study"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wall = time.perf_counter() - start
        records = open_study(f"{folder}/study").records
        assert len(records) == runs
        assert (records.status == "completed").all()
        return wall, float(records.seconds.sum())


def do_nothing(config: dict[str, Any]) -> dict[str, float]:
    """The peer's trial."""
    return {"test_accuracy": 0.0}


def time_peer(runs: int) -> float:
    """Seconds per trial that does nothing, on a Ray that is up."""
    start = time.perf_counter()
    peer_tune.run_trials([{"run": n} for n in range(runs)], do_nothing, reuse_actors=True)
    return (time.perf_counter() - start) / runs


def main() -> None:
    """Interleave sizes and print medians, the ratio last."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    print(machine.describe(), flush=True)
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    import ray

    walls: dict[int, list[float]] = {size: [] for size in SIZES}
    trained: dict[int, list[float]] = {size: [] for size in SIZES}
    peer = []
    for _ in range(given.rounds):
        for size in SIZES:
            wall, training = time_ours(size)
            walls[size].append(wall)
            trained[size].append(training)
        ray.init(
            address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
        peer.append(time_peer(98))
        ray.shutdown()
    beyond = {
        size: machine.median(walls[size]) - machine.median(trained[size]) / 2 for size in SIZES
    }
    for size in SIZES:
        print(
            f"{size:5} runs  {machine.median(walls[size]):6.1f} s in all, {beyond[size]:6.1f} s "
            f"beyond training = {1000 * beyond[size] / size:7.2f} ms a run"
        )
    each = (beyond[SIZES[-1]] - beyond[SIZES[0]]) / (SIZES[-1] - SIZES[0])
    print(f"each further run costs {1000 * each:.2f} ms, whatever the start")
    print(
        f"peer    {1000 * machine.median(peer):.1f} ms a trial that does nothing, with reuse_actors"
    )
    print(f"ratio   {machine.median(peer) / each:.0f}")


if __name__ == "__main__":
    main()
