"""A whole phase diagram: 294 runs on digits, from process start to the drawn picture.

7 x 7 cells of (v, alpha), 3 seeds, 2 noise levels, 20 epochs, against Ray Tune with one run a trial
(peer_tune.py), measured on a few dozen runs and scaled. Cold: nothing compiled before, Ray starts.
Warm: the compiler's cache is there and a Ray is running. Run by hand:

    python benchmarks/bench_phase_digits.py [--rounds 3] [--peer-runs 24]
"""

from __future__ import annotations

import argparse
import itertools
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import peer_tune

V = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2]
ALPHA = [-1, -0.5, 0, 0.5, 0.9, 0.99, 1]
NOISE = [0.0, 0.4]
SEEDS = [0, 1, 2]
EPOCHS = 20
RUNS = len(V) * len(ALPHA) * len(NOISE) * len(SEEDS)

PIPELINE = f"""
name: phase-digits
search_space:
  regularizers: [{{kind: volumization, v: {V}, alpha: {ALPHA}}}]
train: {{optimizer: {{kind: adam, lr: 1e-3}}, batch_size: 128, epochs: {EPOCHS}}}
factors: {{dataset.label_noise: {NOISE}}}
seeds: {SEEDS}
tracking: null
reports: [{{kind: phase_diagram, x: v, y: alpha, metrics: [last]}}]
"""


def time_ours(cache: Path, address: str | None) -> float:
    """Seconds from process start to the end of `regsearch run`, the picture drawn."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "phase.yaml"
        file.write_text(PIPELINE)
        command = [
            sys.executable,
            "-m",
            "regsearch",
            "run",
            str(file),
            "--output",
            f"{folder}/study",
        ]
        command += ["--address", address] if address else []
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(cache)}
        start = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        pictures = list(Path(folder, "study", "figures").glob("*.svg"))
        assert pictures, "no picture was drawn"
    return seconds


def time_peer(runs: int) -> float:
    """Seconds per run of the peer, on a Ray that is up."""
    grid = list(itertools.product(V, ALPHA, NOISE, SEEDS))
    picked = grid[:: max(1, len(grid) // runs)][:runs]
    names = ("v", "alpha", "label_noise", "seed")
    trials = [{"epochs": EPOCHS, **dict(zip(names, point, strict=True))} for point in picked]
    start = time.perf_counter()
    peer_tune.run_trials(trials)
    return (time.perf_counter() - start) / len(trials)


def main() -> None:
    """Interleave the contestants and print medians, the ratios last."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--peer-runs", type=int, default=24)
    given = options.parse_args()
    print(machine.describe(), flush=True)
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    import ray

    kept = Path(tempfile.mkdtemp(prefix="bench-cache-"))
    cold, warm, peer = [], [], []
    for number in range(given.rounds):
        fresh = Path(tempfile.mkdtemp(prefix="bench-cache-"))
        cold.append(time_ours(fresh, None))
        shutil.rmtree(fresh)
        ray.init(
            address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
        address = ray.get_runtime_context().gcs_address
        if number == 0:
            time_ours(kept, address)  # fills the cache
        warm.append(time_ours(kept, address))
        peer.append(time_peer(given.peer_runs))
        ray.shutdown()
        print(
            f"round {number + 1}: cold {cold[-1]:.1f} s, warm {warm[-1]:.1f} s, "
            f"peer {peer[-1]:.2f} s a run",
            flush=True,
        )
    shutil.rmtree(kept)
    whole = machine.median(peer) * RUNS
    print(f"peer    {whole:8.1f} s for {RUNS} runs (scaled from {given.peer_runs})")
    print(f"cold    {machine.median(cold):8.1f} s")
    print(f"warm    {machine.median(warm):8.1f} s")
    print(
        f"ratio   {whole / machine.median(cold):.0f} cold, {whole / machine.median(warm):.0f} warm"
    )


if __name__ == "__main__":
    main()
