"""What every schedule must keep, whatever its curve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from regsearch.schedules import SCHEDULES, Gradual, problems

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "constant": [{}, {}],
    "cosine": [{}, {"eta_min": 0.004}],
    "exponential": [{"gamma": 0.9}, {"gamma": 0.5}],
    "multi_step": [{"milestones": [2, 5]}, {"milestones": [2, 5], "gamma": 0.5}],
    "sigmoid": [{"end": 0.001}, {"end": 0.002, "steepness": 4.0}],
    "step": [{"step_size": 3}, {"step_size": 3, "gamma": 0.5}],
}
LR = [0.1, 0.03]
Whole = Callable[..., Tensor]
every_kind = pytest.mark.parametrize("kind", list(SCHEDULES))


def settings(kind: str, **more: Any) -> list[dict[str, Any]]:
    return [{"kind": kind, **own, **more} for own in SETTINGS[kind]]


def is_gradual(kind: str) -> bool:
    return issubclass(SCHEDULES[kind].config, Gradual)


@every_kind
def test_rates_are_positive_and_never_rise_from_the_first(kind: str, whole_training: Whole) -> None:
    rates = whole_training(LR, settings(kind), epochs=7, steps=3)
    assert rates.dtype == torch.float64
    assert rates.shape == (21, 2)
    assert rates[0].tolist() == LR
    assert bool((rates > 0).all())
    assert bool((rates.diff(dim=0) <= 0).all())


@every_kind
def test_a_run_of_a_pack_has_the_rates_it_has_alone(kind: str, whole_training: Whole) -> None:
    together = whole_training(LR, settings(kind), epochs=7, steps=3)
    for k, own in enumerate(settings(kind)):
        assert torch.equal(together[:, k : k + 1], whole_training(LR[k : k + 1], [own], 7, 3))


@every_kind
def test_the_rate_keeps_through_each_epoch(kind: str, whole_training: Whole) -> None:
    rates = whole_training(LR, settings(kind), epochs=7, steps=3).view(7, 3, 2)
    assert torch.equal(rates, rates[:, :1].expand(7, 3, 2))
    assert torch.equal(rates[:, 0], whole_training(LR, settings(kind), epochs=7, steps=1))


@pytest.mark.parametrize("kind", [kind for kind in SCHEDULES if is_gradual(kind)])
def test_or_changes_at_every_step(kind: str, whole_training: Whole) -> None:
    rates = whole_training(LR, settings(kind, every="step"), epochs=7, steps=3)
    assert bool((rates.diff(dim=0) < 0).all())
    assert rates[0].tolist() == LR


@every_kind
@pytest.mark.parametrize("steps", [1, 3])
def test_a_single_epoch_begins_at_the_optimizers_rate(
    kind: str, steps: int, whole_training: Whole
) -> None:
    rates = whole_training(LR, settings(kind), epochs=1, steps=steps)
    assert rates.tolist() == [LR] * steps


@every_kind
def test_a_warm_up_that_takes_all_epochs_is_a_problem(kind: str) -> None:
    def found(warmup: float, epochs: int) -> list[str]:
        config = SCHEDULES[kind].config.model_validate(settings(kind, warmup=warmup)[0])
        return problems(config, epochs, lr=0.1)

    assert found(0.0, 9) == []
    assert found(0.5, 9) == []
    for warmup in (9.0, 20.0):
        (problem,) = found(warmup, 9)
        assert f"warm-up of {warmup:g} epochs leaves nothing of 9" in problem


@every_kind
def test_every_field_is_described(kind: str) -> None:
    fields = SCHEDULES[kind].config.model_fields
    assert all(field.description for key, field in fields.items() if key != "kind")
