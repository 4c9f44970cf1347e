from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch

from regsearch.metrics import MEASUREMENTS, Measurement, MeasurementConfig, Subject
from regsearch.train.compile import compiler_found
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.pilot import (
    COMPILE_S,
    GAIN,
    Rung,
    Work,
    advise,
    bytes_per_run,
    compiler_helps,
    is_out_of_memory,
    pilot,
    worth_compiling,
)


def work(**parts: Any) -> Work:
    usual = Work(runs=100, most=100, epochs=10, bytes_per_run=10, cache=10**6, compiler=True)
    return replace(usual, **parts)


def test_little_work_is_not_compiled_and_packs_as_measured() -> None:
    rungs = [Rung(1, 0.01), Rung(4, 0.01), Rung(16, 0.2)]
    advice = advise(rungs, work(runs=16, epochs=2))
    assert (advice.runs_together, advice.compile) == (4, False)
    assert advice.seconds == pytest.approx(0.01 / 4 * 16 * 2)


def test_much_work_is_compiled_and_fits_the_cache() -> None:
    advice = advise([Rung(1, 1.0)], work(cache=350))
    assert (advice.runs_together, advice.compile) == (35, True)
    assert advice.seconds == pytest.approx(COMPILE_S + 1000 / GAIN)


@pytest.mark.parametrize(("most", "cache", "together"), [(5, 10**6, 5), (5, 1, 1), (50, None, 50)])
def test_pack_is_bounded_by_memory_and_cache(most: int, cache: int | None, together: int) -> None:
    assert advise([Rung(1, 1.0)], work(most=most, cache=cache)).runs_together == together


def test_without_a_compiler_nothing_is_compiled() -> None:
    assert not advise([Rung(1, 1.0)], work(compiler=False)).compile


def test_compiler_is_the_one_that_torch_would_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not compiler_found()
    monkeypatch.setenv("CXX", "sh")
    assert compiler_found()


def test_compiling_pays_exactly_when_it_saves_time() -> None:
    even = COMPILE_S / (1 - 1 / GAIN)
    assert worth_compiling(even * 1.01)
    assert not worth_compiling(even * 0.99)


def test_bytes_of_a_run_are_its_tensors(make_task) -> None:  # type: ignore[no-untyped-def]
    weights = 64 * 8 + 8 + 8 * 10 + 10
    outputs = 32 * (64 + 8 + 8 + 10)  # flatten, linear, relu, linear
    assert bytes_per_run(make_task()) == 4 * (4 * weights + 2 * outputs)


def test_the_pilot_measures_this_machine(make_task) -> None:  # type: ignore[no-untyped-def]
    tasks = [make_task(seed=seed) for seed in range(5)]
    advice = pilot(tasks, 2, Engine(), most=4)
    assert advice.runs_together in (1, 3)  # alone, or a worker's whole share
    assert not advice.compile
    assert 0 < advice.seconds < 10


@pytest.mark.parametrize(("sharing", "together"), [(None, 2), (4, 2), (2, 4), (1, 8)])
def test_a_pack_may_use_its_share_of_the_memory_of_its_device(
    make_task, monkeypatch: pytest.MonkeyPatch, sharing: int | None, together: int
) -> None:  # type: ignore[no-untyped-def]
    tasks = [make_task(seed=seed) for seed in range(64)]
    need = bytes_per_run(tasks[0])
    memory = 16 * need  # MEMORY_SHARE of it holds 8 runs
    monkeypatch.setattr("regsearch.train.pilot.free_memory", lambda device: memory)
    climbed: list[int] = []

    def climb(tasks: list[Any], engine: Engine) -> Rung:
        climbed.append(len(tasks))
        return Rung(len(tasks), 1.0)  # wider is faster

    monkeypatch.setattr("regsearch.train.pilot._climb", climb)
    assert pilot(tasks, 4, Engine(), sharing=sharing).runs_together == together
    assert max(climbed) == together, "nothing is tried that would not fit"


def test_out_of_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as huge:
        torch.empty(2**55)
    assert is_out_of_memory(huge.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_of_packs_that_are_as_fast_the_largest_is_taken() -> None:
    rungs = [Rung(1, 0.010), Rung(4, 0.042), Rung(16, 0.172), Rung(64, 0.9)]
    assert advise(rungs, work(runs=64, epochs=1)).runs_together == 16


def test_evaluation_counts_and_is_not_made_faster_by_compiling() -> None:
    little, much = Rung(1, 0.01, 0.03), Rung(1, 1.0, 0.5)
    assert advise([little], work(runs=4, epochs=10)).seconds == pytest.approx(4 * 10 * 0.04)
    assert advise([much], work()).seconds == pytest.approx(COMPILE_S + 1000 / GAIN + 500)
    by_evaluation = [Rung(1, 0.01, 0.09), Rung(4, 0.08, 0.08)]
    assert advise(by_evaluation, work(runs=4, epochs=1)).runs_together == 4


def test_dear_measurements_are_foreseen_for_every_run() -> None:
    rungs = [Rung(1, 0.01), Rung(4, 0.01)]
    plain = advise(rungs, work(runs=8, epochs=2))
    assert advise(rungs, work(runs=8, epochs=2, measuring=3.0)) == replace(
        plain, seconds=plain.seconds + 8 * 3.0
    )


@pytest.mark.parametrize(
    ("model", "on_cpu", "on_gpu"),
    [({"kind": "mlp"}, True, True), ({"kind": "vgg"}, False, True)],
)
def test_the_compiler_leaves_convolutions_to_the_library_on_a_cpu(
    make_task: Any, monkeypatch: pytest.MonkeyPatch, model: Any, on_cpu: bool, on_gpu: bool
) -> None:
    monkeypatch.setenv("CXX", "sh")
    task = make_task(model=model)
    assert compiler_helps(task, "cpu") is on_cpu
    assert compiler_helps(task, "cuda") is on_gpu


class Slow(MeasurementConfig):
    kind: Literal["slow"] = "slow"
    samples: int | None = 400


class Whole(MeasurementConfig):
    kind: Literal["whole"] = "whole"


@pytest.mark.parametrize(
    ("entry", "each", "most"),
    [
        ({"kind": "slow"}, 0.5 + 0.1 * 400, 5.0),
        ({"kind": "slow", "samples": 3}, 0.5 + 0.1 * 3, 5.0),
        ({"kind": "slow", "samples": None}, 0.5 + 0.1 * 1697, 5.0),  # digits to test on
        ({"kind": "whole"}, 0.5, 0.5),
    ],
)
def test_a_dear_measurement_is_timed_on_few_examples(
    make_task: Any, monkeypatch: pytest.MonkeyPatch, entry: Any, each: float, most: float
) -> None:
    now = [0.0]

    def measure(subject: Subject, config: Any) -> dict[str, torch.Tensor]:
        now[0] += 0.5 + 0.1 * min(getattr(config, "samples", 0), len(subject.x_test))
        return {"slow": torch.zeros(len(subject.seed))}

    for config in (Slow, Whole):
        kind = config.model_fields["kind"].default
        measurement = Measurement(config, "", lambda config: ["slow"], measure)
        monkeypatch.setitem(MEASUREMENTS._entries, kind, measurement)
    pack = PackTraining([make_task(dataset={"kind": "digits", "train_size": 100})], Engine())
    asked = MEASUREMENTS[entry["kind"]].config.model_validate(entry | {"every": 2})
    pack._measurements = pack._measurements._replace(configs=[asked], epochs=5)
    monkeypatch.setattr(pack, "_clock", lambda: lambda: now[0])
    assert pack.time_measurements(budget=1.0) == pytest.approx(3 * each)  # epochs 2, 4 and 5
    assert now[0] <= most
