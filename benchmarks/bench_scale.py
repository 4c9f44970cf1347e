"""What 10,000 runs cost beyond their training: plan, Ray, records, MLflow and the page, by stage.

The trainer is a stub: it keeps a worker busy for a few milliseconds a run and draws curves that
look like learning. The runs of the baseline `none` are trained, so that true packs go the same way.
All else is the product as it is: one `run` of a pipeline, with Ray's workers, the store, MLflow's
own SQLite file and every report that needs no settings. Run by hand:

    python benchmarks/bench_scale.py [--runs 10000]
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import machine
import numpy as np

from regsearch import api
from regsearch.api import delivering, pipeline, reporting, running, training
from regsearch.errors import ExitCode
from regsearch.records import Store
from regsearch.study import ray_executor
from regsearch.study.pack import Pack
from regsearch.study.ray_executor import RayExecutor
from regsearch.study.ray_trainable import PackTrainable
from regsearch.study.trials import PlannedRun
from regsearch.study.work import Outcome, Progress
from regsearch.train.history import RunResult
from regsearch.train.summary import summarize

STUB_MS = 3.0
EPOCHS = 20
FACETS, SEEDS = 5, 5
AIM_MS, AIM_S, AIM_MB = 5.0, 10.0, 5.0

PIPELINE = """
name: scale
search_space:
  regularizers:
    - kind: volumization
      v: {{logspace: [0.05, 5, {side}]}}
      alpha: {{linspace: [-1, 1, {side}]}}
    - {{kind: none}}
dataset: {{kind: digits, train_size: 64}}
model: {{kind: mlp, widths: [4]}}
train: {{optimizer: {{kind: sgd, lr: 1e-2}}, batch_size: 32, epochs: {epochs}}}
factors: {{dataset.label_noise: [0, 0.2, 0.4, 0.6, 0.8]}}
seeds: {seeds}
pack: 50
compile: false
tracking: {{mlflow: {{tracking_uri: "sqlite:///{folder}/mlflow.db"}}}}
"""

QUANTITIES = {
    "train_loss": (2.3, 0.4),
    "train_accuracy": (0.1, 0.9),
    "test_loss": (2.3, 0.6),
    "test_accuracy": (0.1, 0.8),
    "test_top5_accuracy": (0.5, 0.99),
    "test_calibration_error": (0.3, 0.05),
    "active_units": (1.0, 0.7),
    "path_norm": (1.0, 9.0),
    "weight_norm": (2.0, 6.0),
    "max_weight": (0.4, 1.5),
}
"""What a run of this pipeline measures: roughly where each curve begins, and where it ends."""


class StubWork:
    """Stands in for the training of a pack: busy for ``STUB_MS`` a run, no checkpoints."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self.outcomes: list[Outcome] = []

    @property
    def done(self) -> bool:
        """Once it has run."""
        return bool(self.outcomes)

    def advance(self, seconds: float) -> Progress:
        """All of it at once."""
        runs = self._pack.runs
        self.outcomes = [Outcome(run.run, pretend(run), None, len(runs)) for run in runs]
        return Progress(EPOCHS * len(runs), 0, {"test_accuracy": 0.5})

    def save(self) -> None:
        """Nothing to save."""


class StubTrainable(PackTrainable):
    """The product's trial, but for what trains in it; the baseline's packs are trained truly."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take up a pack, to be trained or not."""
        super().setup(config)
        if any(entry.kind != "none" for entry in config["pack"].runs[0].task.regularizers):
            self._work = StubWork(config["pack"])  # type: ignore[assignment]


def pretend(run: PlannedRun) -> RunResult:
    """Curves of a run that was never trained, best where v and 1 - alpha are small."""
    start, now = time.perf_counter(), datetime.now(UTC).isoformat(timespec="milliseconds")
    draw = np.random.default_rng(int(run.run, 16))
    method, noise = run.task.regularizers[0], run.task.dataset.label_noise
    worse = 0.1 * noise + 0.02 * math.log(method.v / 0.3) ** 2 + 0.1 * (0.7 - method.alpha) ** 2  # type: ignore[attr-defined]
    learnt = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 5)
    curves = {}
    for name, (first, last) in QUANTITIES.items():
        curve = first + (last - first) * learnt * (1 - worse) + 0.01 * draw.normal(size=EPOCHS)
        curves[name] = np.clip(curve, 0, None).astype(np.float32)
    metrics = summarize(curves)
    while time.perf_counter() - start < STUB_MS / 1000:
        pass
    return RunResult(
        "completed", None, EPOCHS, time.perf_counter() - start, now, now, metrics, curves
    )


class Stopwatch:
    """Seconds spent in functions, by stage, as they are called from outside."""

    def __init__(self) -> None:
        self.seconds = defaultdict[str, float](float)
        self.peaks: dict[str, float] = {}

    @contextmanager
    def on(self, stage: str, owner: Any, name: str) -> Iterator[None]:
        """Time each call of ``owner.name`` while the block lasts."""
        original = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return original(*arguments, **options)
            finally:
                self.seconds[stage] += time.perf_counter() - start
                self.peaks[stage] = peak_mb()

        with patch.object(owner, name, timed):
            yield


STAGES = [
    ("list the runs", pipeline, "expand"),
    ("check them", training, "check_runs"),
    ("train through Ray", RayExecutor, "run"),
    ("store", Store, "add"),
    ("deliver the rest", delivering, "_finish"),
    ("report", reporting, "write"),
    ("all", running, "run"),
]


def peak_mb() -> float:
    """Largest memory that this process, the driver, has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_study(folder: Path, side: int) -> Stopwatch:
    """The whole study, timed."""
    file, watch = folder / "scale.yaml", Stopwatch()
    file.write_text(PIPELINE.format(side=side, seeds=SEEDS, epochs=EPOCHS, folder=folder))
    with ExitStack() as stack:
        stack.enter_context(patch.object(ray_executor, "PackTrainable", StubTrainable))
        for stage, owner, name in STAGES:
            stack.enter_context(watch.on(stage, owner, name))
        code = running.run(api.load(file), folder / "study", verbose=True)
    assert code == ExitCode.DONE, code
    return watch


def training_seconds(folder: Path, runs: int) -> float:
    """Seconds of training on one worker, once it is sure that every run came everywhere."""
    with sqlite3.connect(folder / "study" / "study.db") as store:
        count, seconds = store.execute(
            "SELECT count(*), sum(seconds) FROM record WHERE status = 'completed'"
        ).fetchone()
    with sqlite3.connect(folder / "mlflow.db") as mlflow:
        (shown,) = mlflow.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone()
    assert count == runs, f"{count} of {runs} recorded"
    assert shown == runs + 1, f"{shown} of {runs} runs and their study in MLflow"
    return float(seconds)


def tell(watch: Stopwatch, runs: int, trained: float, page: Path) -> None:
    """Print the stages, then the figures that have an aim."""
    workers = len(os.sched_getaffinity(0))
    spent, training_s = dict(watch.seconds), trained / workers
    whole, report = spent.pop("all"), spent["report"]
    spent["train through Ray"] -= training_s + spent["store"]
    spent["start and end"] = whole - training_s - sum(spent.values())
    print(f"{runs:,} runs in {whole:.1f} s, of which {training_s:.1f} s are the stub's")
    for stage, seconds in spent.items():
        peak = f"   peak so far {watch.peaks[stage]:4.0f} MB" if stage in watch.peaks else ""
        print(f"  {stage:20} {seconds:6.2f} s = {1000 * seconds / runs:6.3f} ms a run{peak}")
    each, size = 1000 * (whole - training_s - report) / runs, page.stat().st_size / 1e6
    print(f"overhead a run  {each:6.2f} ms   (aim: below {AIM_MS:g})")
    print(f"report          {report:6.2f} s    (aim: below {AIM_S:g})")
    print(f"page            {size:6.2f} MB   (aim: below {AIM_MB:g})")
    print(f"driver's peak   {peak_mb():6.0f} MB")


def main() -> None:
    """One study of about as many runs as asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=10_000)
    given = options.parse_args()
    print(machine.describe(), flush=True)
    print(f"the driver's imports: {peak_mb():.0f} MB", flush=True)
    side = max(2, round(math.sqrt(given.runs / (FACETS * SEEDS))))
    runs = (side**2 + 1) * FACETS * SEEDS
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        watch = run_study(folder, side)
        tell(watch, runs, training_seconds(folder, runs), folder / "study" / "report.html")


if __name__ == "__main__":
    main()
