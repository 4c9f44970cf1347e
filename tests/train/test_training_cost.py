"""What training took: of the pack, by the clock, over an interruption."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from regsearch.metrics.cost import TRAINING
from regsearch.records.frame import records_frame
from regsearch.train import loop
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from tests.samples import sample_record

EXAMPLES = 96  # three batches of 32; the rest of 100 is left out


def tell_times(monkeypatch: pytest.MonkeyPatch, moments: Iterable[float]) -> None:
    """Let the loop read these moments from its clock, three an epoch."""
    clock = iter(moments)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: next(clock)))


def test_a_pack_counts_the_examples_of_all_its_runs_and_the_time_of_its_steps(
    make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = PackTraining([make_task(seed=seed) for seed in range(4)], Engine())
    steps, measuring = (4.0, 0.5, 2.0), 10.0
    moments: list[float] = []
    for taken in steps:
        began = 100.0 * len(moments)
        moments += [began, began + taken, began + taken + measuring]
    tell_times(monkeypatch, moments)
    while not pack.done:
        pack.run_epoch()
    for result in pack.results():
        assert result.metrics["samples_per_second"] == pytest.approx(4 * EXAMPLES / 2.0)
        assert result.seconds == pytest.approx((sum(steps) + 3 * measuring) / 4)
        assert not result.curves.keys() & TRAINING.keys()


def test_epochs_before_an_interruption_count(
    make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_times(monkeypatch, [0, 1, 1, 0, 4, 4, 0, 5, 5])
    first, second = (PackTraining([make_task()], Engine()) for _ in range(2))
    first.run_epoch()
    second.load_state_dict(first.state_dict())
    second.run_epoch()
    second.run_epoch()
    (result,) = second.results()
    assert result.metrics["samples_per_second"] == pytest.approx(EXAMPLES / 4)


def test_memory_is_counted_on_a_gpu_and_a_column_without_numbers_elsewhere(make_task: Any) -> None:
    pack = PackTraining([make_task()], Engine())
    pack.run_epoch()
    (result,) = pack.results()
    assert result.metrics["peak_memory"] is None
    frame = records_frame([sample_record(metrics=result.metrics)])
    assert frame["peak_memory"].isna().all()
    assert (frame["samples_per_second"] > 0).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_peak_on_a_gpu_is_of_this_pack_alone() -> None:
    engine = Engine(device="cuda")
    engine.prepare()
    before = engine.peak_memory() or 0
    large = torch.empty(2**24, device="cuda")
    del large
    assert (engine.peak_memory() or 0) - before >= 2**26
    engine.prepare()
    assert (engine.peak_memory() or 0) < before + 2**26
