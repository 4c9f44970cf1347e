"""Each schedule that torch has too, against torch's, epoch by epoch and step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, MultiStepLR, StepLR

EPOCHS, STEPS = 25, 4
Whole = Callable[..., Tensor]


def torchs(scheduler: Any, lr: float, count: int, **settings: Any) -> Tensor:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = scheduler(optimizer, **settings)
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return torch.tensor(rates, dtype=torch.float64)


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


PER_EPOCH: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
    ("step", StepLR, {"step_size": 7, "gamma": 0.3}, {"step_size": 7, "gamma": 0.3}),
    ("step", StepLR, {"step_size": 1}, {"step_size": 1}),
    ("step", StepLR, {"step_size": 100}, {"step_size": 100}),
    (
        "multi_step",
        MultiStepLR,
        {"milestones": [1, 8, 9, 24], "gamma": 0.2},
        {"milestones": [1, 8, 9, 24], "gamma": 0.2},
    ),
    ("multi_step", MultiStepLR, {"milestones": [10]}, {"milestones": [10]}),
    ("exponential", ExponentialLR, {"gamma": 0.93}, {"gamma": 0.93}),
    ("cosine", CosineAnnealingLR, {}, {"T_max": EPOCHS}),
    ("cosine", CosineAnnealingLR, {"eta_min": 0.02}, {"T_max": EPOCHS, "eta_min": 0.02}),
]


@pytest.mark.parametrize(("kind", "scheduler", "setting", "theirs"), PER_EPOCH)
def test_epoch_by_epoch(
    kind: str,
    scheduler: Any,
    setting: dict[str, Any],
    theirs: dict[str, Any],
    whole_training: Whole,
) -> None:
    rates = whole_training([0.1], [{"kind": kind, **setting}], EPOCHS, STEPS)
    expected = torchs(scheduler, 0.1, EPOCHS, **theirs)
    assert_same(rates[:, 0], expected.repeat_interleave(STEPS))


PER_STEP: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
    ("exponential", ExponentialLR, {"gamma": 0.93}, {"gamma": 0.93 ** (1 / STEPS)}),
    ("cosine", CosineAnnealingLR, {"eta_min": 0.02}, {"T_max": EPOCHS * STEPS, "eta_min": 0.02}),
]


@pytest.mark.parametrize(("kind", "scheduler", "setting", "theirs"), PER_STEP)
def test_step_by_step(
    kind: str,
    scheduler: Any,
    setting: dict[str, Any],
    theirs: dict[str, Any],
    whole_training: Whole,
) -> None:
    rates = whole_training([0.1], [{"kind": kind, "every": "step", **setting}], EPOCHS, STEPS)
    assert_same(rates[:, 0], torchs(scheduler, 0.1, EPOCHS * STEPS, **theirs))


def test_runs_of_a_pack_follow_torch_each_with_its_own_settings(whole_training: Whole) -> None:
    gammas, lrs = [0.1, 0.5, 1.0], [0.1, 3.0, 1e-4]
    rates = whole_training(
        lrs, [{"kind": "step", "step_size": 6, "gamma": gamma} for gamma in gammas], EPOCHS
    )
    for k, (gamma, lr) in enumerate(zip(gammas, lrs, strict=True)):
        assert_same(rates[:, k], torchs(StepLR, lr, EPOCHS, step_size=6, gamma=gamma))
