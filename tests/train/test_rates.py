"""Warm-up and schedule as one: against torch's own composition, and in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR, StepLR

from regsearch.schedules import SCHEDULES
from regsearch.train.rates import Rates, is_constant
from regsearch.train.task import Task

MakeTask = Callable[..., Task]
CPU = torch.device("cpu")


def rates_of(make_task: MakeTask, runs: list[dict[str, Any]], epochs: int, steps: int) -> Tensor:
    """Rates of a whole training, ``[epochs * steps, K]``; each run is ``lr`` and its schedule."""
    tasks = [
        make_task(
            train={
                "optimizer": {"kind": "sgd", "lr": run.get("lr", 0.1)},
                "schedule": {name: value for name, value in run.items() if name != "lr"},
                "epochs": epochs,
            }
        )
        for run in runs
    ]
    rates = Rates(tasks, CPU)
    parts = [rates.of_epoch(epoch, steps) for epoch in range(epochs)]
    assert all(part is not None and part.dtype == torch.float64 for part in parts)
    return torch.cat([part for part in parts if part is not None])


@pytest.mark.parametrize("kind", ["constant", "step", "cosine"])
@pytest.mark.parametrize("warmup", [3.0, 2.4])
def test_warm_up_is_torchs_linear_one_and_the_schedule_follows(
    kind: str, warmup: float, make_task: MakeTask
) -> None:
    """torch counts steps, so the epochs of its schedules are given in steps."""
    epochs, steps, count = 12, 5, int(warmup * 5)
    own: dict[str, dict[str, Any]] = {
        "constant": {},
        "step": {"step_size": 2, "gamma": 0.5},
        "cosine": {"every": "step"},
    }
    ours = rates_of(make_task, [{"kind": kind, "warmup": warmup, **own[kind]}], epochs, steps)

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    after: dict[str, Callable[[], Any]] = {
        "constant": lambda: LinearLR(optimizer, 1.0, 1.0),
        "step": lambda: StepLR(optimizer, 2 * steps, gamma=0.5),
        "cosine": lambda: CosineAnnealingLR(optimizer, epochs * steps - count),
    }
    ramp = LinearLR(optimizer, 1 / count, 1.0, total_iters=count - 1)
    schedule = SequentialLR(optimizer, [ramp, after[kind]()], [count])
    for step in range(epochs * steps):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(float(ours[step, 0]), rel=1e-12)
        optimizer.step()
        schedule.step()


def test_warm_up_ends_exactly_at_the_optimizers_rate(make_task: MakeTask) -> None:
    runs = [{"kind": "constant", "warmup": w} for w in (0.0, 1.0, 2.5, 0.01)]
    rates = rates_of(make_task, runs, epochs=4, steps=4)
    tenths = [0.1 * i / 10 for i in range(1, 10)]
    assert rates[:, 0].tolist() == [0.1] * 16
    assert rates[:, 1].tolist() == pytest.approx([0.025, 0.05, 0.075] + [0.1] * 13)
    assert rates[:9, 2].tolist() == pytest.approx(tenths)
    assert rates[9:, 2].tolist() == [0.1] * 7
    assert rates[:, 3].tolist() == [0.1] * 16  # less than half a step


def test_runs_with_warm_ups_of_their_own_each_get_what_they_get_alone(make_task: MakeTask) -> None:
    runs = [
        {"kind": "sigmoid", "end": 0.001, "warmup": 0.0, "lr": 0.1},
        {"kind": "sigmoid", "end": 0.002, "warmup": 2.0, "lr": 0.2},
        {"kind": "sigmoid", "end": 0.003, "warmup": 1.5, "lr": 0.3, "steepness": 5.0},
    ]
    together = rates_of(make_task, runs, epochs=6, steps=4)
    for k, run in enumerate(runs):
        assert torch.equal(together[:, k], rates_of(make_task, [run], epochs=6, steps=4)[:, 0])
    assert together[-1].tolist() == [0.001, 0.002, 0.003]


@pytest.mark.parametrize("every", ["epoch", "step"])
@pytest.mark.parametrize("warmup", [0.5, 1.0, 1.75, 2.9])
def test_after_any_warm_up_the_whole_curve_is_drawn(
    warmup: float, every: str, make_task: MakeTask
) -> None:
    run = {"kind": "sigmoid", "end": 0.001, "warmup": warmup, "every": every}
    rates = rates_of(make_task, [run], epochs=5, steps=20)[:, 0]
    first = round(warmup * 20)
    assert rates[:first].tolist() == pytest.approx([0.1 * i / first for i in range(1, first + 1)])
    assert rates[first] == 0.1
    assert rates[-1] == 0.001
    assert bool((rates[first:].diff() <= 0).all())


@pytest.mark.parametrize("kind", ["constant", "cosine", "sigmoid"])
@pytest.mark.parametrize("warmup", [1.0, 1.99, 3.0])
def test_a_warm_up_of_all_steps_leaves_no_hole(
    kind: str, warmup: float, make_task: MakeTask
) -> None:
    """Study files may not ask for it; the rates are finite all the same."""
    own = {"end": 0.001} if kind == "sigmoid" else {}
    rates = rates_of(make_task, [{"kind": kind, "warmup": warmup, **own}], epochs=1, steps=5)[:, 0]
    assert rates.tolist() == pytest.approx(
        [0.1 * i / round(warmup * 5) for i in range(1, 6)], rel=1e-12
    )


def test_a_constant_rate_is_known_without_looking(make_task: MakeTask) -> None:
    schedules: list[dict[str, Any]] = [{"kind": "constant"}, {"kind": "constant", "warmup": 1.0}]
    plain, warmed = (make_task(train={"schedule": schedule}) for schedule in schedules)
    assert Rates([plain, plain], CPU).of_epoch(0, 3) is None
    assert is_constant(plain.train.schedule)
    assert not is_constant(warmed.train.schedule)
    together = Rates([plain, warmed], CPU).of_epoch(0, 3)
    assert together is not None
    assert together[:, 0].tolist() == [0.01] * 3
    assert together[:, 1].tolist() == pytest.approx([0.01 / 3, 0.02 / 3, 0.01])


def test_only_the_constant_schedule_is_constant() -> None:
    needed: dict[str, dict[str, Any]] = {
        "exponential": {"gamma": 0.9},
        "multi_step": {"milestones": [3]},
        "sigmoid": {"end": 0.01},
        "step": {"step_size": 2},
    }
    configs = [
        SCHEDULES[kind].config.model_validate({"kind": kind, **needed.get(kind, {})})
        for kind in SCHEDULES
    ]
    assert [config.kind for config in configs if is_constant(config)] == ["constant"]
