"""Ray Tune's schedulers, from their configs; they are told what earlier starts have recorded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

from regsearch.study.judging import EPOCH, VALUE, Judging
from regsearch.study.schedulers import AsyncHyperBand, HyperBand

MAKERS = {
    "async_hyperband": AsyncHyperBandScheduler,
    "hyperband": HyperBandScheduler,
    "median_stopping_rule": MedianStoppingRule,
}


class _Recorded(NamedTuple):
    """All that a scheduler asks of a trial which was over before it began."""

    trial_id: str


def make_scheduler(judging: Judging) -> TrialScheduler:
    """The scheduler that ``judging`` names, as it would be had the study never been interrupted.

    Time is counted in epochs of training, those of a checkpoint included; a trial that has had
    all its epochs is at its end, and no business of the scheduler's.
    """
    config = judging.scheduler
    arguments = config.model_dump(exclude={"type"})
    in_epochs = arguments["time_attr"] == "training_iteration"
    arguments["time_attr"] = EPOCH if in_epochs else "time_total_s"
    if isinstance(config, AsyncHyperBand | HyperBand):
        arguments["max_t"] = config.max_t or judging.epochs
    mode = "max" if judging.metric.goal == "maximize" else "min"
    scheduler: TrialScheduler = MAKERS[config.type](metric=VALUE, mode=mode, **arguments)
    if in_epochs and not isinstance(config, HyperBand):  # whose trials wait for each other
        for number, path in enumerate(judging.before):
            _remember(scheduler, number, path)
    return scheduler


def _remember(scheduler: TrialScheduler, number: int, path: tuple[float, ...]) -> None:
    """Let a recorded trial pass before the scheduler, whose verdict comes too late."""
    trial: Any = _Recorded(f"recorded_{number}")
    controller: Any = SimpleNamespace(get_live_trials=list)
    scheduler.on_trial_add(controller, trial)
    for epoch, value in enumerate(path, 1):
        result = {EPOCH: epoch, VALUE: value}
        scheduler.on_trial_result(controller, trial, result)
    if path:
        scheduler.on_trial_complete(controller, trial, {EPOCH: len(path), VALUE: path[-1]})
