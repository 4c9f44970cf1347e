"""Ray Tune's schedulers of populations, and which hyper-parameters they may change, and how."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import ray.tune
from pydantic import ValidationError
from ray.tune.schedulers import PopulationBasedTraining
from ray.tune.schedulers.pb2 import PB2

from regsearch.metrics import COURSE
from regsearch.study.distributions import Choice, Distribution, LogUniform, Steps, Uniform
from regsearch.study.judging import COPIED, EPOCH, HYPER, VALUE, Judging
from regsearch.study.pack import Pack
from regsearch.study.schedulers import PopulationBasedBandits
from regsearch.study.search.space import Axis


class _Draws:
    """Random numbers of its own, for schedulers that draw from the process's generators."""

    def __init__(self, seed: int) -> None:
        self._mine = random.Random(seed).getstate(), np.random.RandomState(seed).get_state()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Draw within from these, and leave those of the process as they were."""
        others = random.getstate(), np.random.get_state()
        self._set(self._mine)
        try:
            yield
        finally:
            self._mine = random.getstate(), np.random.get_state()
            self._set(others)

    @staticmethod
    def _set(states: tuple[Any, Any]) -> None:
        random.setstate(states[0])
        np.random.set_state(states[1])


class _OfPacks:
    """What Ray's schedulers of populations must know of packs.

    A copy takes over another trial's weights and hyper-parameters, but never whose runs it trains.
    """

    axes: Sequence[Axis]
    draws: _Draws

    def on_trial_add(self, controller: Any, trial: Any) -> None:
        """A member begins with the values of its setting; one whose worker died is added again."""
        trial.config.setdefault(HYPER, _values(trial.config["pack"], self.axes))
        super().on_trial_add(controller, trial)  # type: ignore[misc]

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """A member tells what it is trained with, which an earlier start may have changed."""
        trial.config |= {HYPER: _in_effect(result, self.axes), COPIED: False}
        with self.draws():
            return super().on_trial_result(controller, trial, result)  # type: ignore[misc]

    def choose_trial_to_run(self, controller: Any) -> Any:
        """Let the others go on where they wait for a member that has diverged or failed."""
        chosen = super().choose_trial_to_run(controller)  # type: ignore[misc]
        trials = controller.get_trials()
        if chosen is not None or any(trial.status in ("RUNNING", "PENDING") for trial in trials):
            return chosen
        paused = [trial for trial in trials if trial.status == "PAUSED"]
        return min(paused, key=self._trained_for, default=None)

    def _trained_for(self, trial: Any) -> float:
        return self._trial_state[trial].last_train_time  # type: ignore[attr-defined]

    def _get_new_config(self, trial: Any, donor: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """What ``trial`` goes on with, as a copy of ``donor``."""
        new, changes = super()._get_new_config(trial, donor)  # type: ignore[misc]
        hyper = accepted(donor.config[HYPER], new[HYPER], trial.config["pack"], self.axes)
        return new | {"pack": trial.config["pack"], HYPER: hyper, COPIED: True}, changes


class _PBT(_OfPacks, PopulationBasedTraining):
    pass


class _Bandits(PB2):
    """Ray's PB2, where its Gaussian process may fail: then a copy keeps the donor's values."""

    data: pd.DataFrame  # what it has seen: a row for each trial and time

    def _get_new_config(self, trial: Any, donor: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        self.data = self.data[np.isfinite(self.data["Reward"].astype(float))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is fitted as Ray fits it
            try:
                return super()._get_new_config(trial, donor)
            except (ValueError, np.linalg.LinAlgError):
                return dict(donor.config), {}


class _PB2(_OfPacks, _Bandits):
    pass


def make_population(
    judging: Judging, axes: Sequence[Axis], population: str
) -> PopulationBasedTraining:
    """The scheduler that ``judging`` names, for members whose ``axes`` may change.

    What it draws follows from the hash of the ``population``.
    """
    arguments = judging.scheduler.model_dump(exclude={"type"})
    in_epochs = arguments["time_attr"] == "training_iteration"
    arguments |= {
        "time_attr": EPOCH if in_epochs else "time_total_s",
        "metric": VALUE,
        "mode": "max" if judging.metric.goal == "maximize" else "min",
        "log_config": False,  # the records hold the course of every hyper-parameter
    }
    if isinstance(judging.scheduler, PopulationBasedBandits):
        bounds = {axis.name: _bounds(axis.domain) for axis in axes}
        axes = [axis._replace(domain=Uniform(*bounds[axis.name])) for axis in axes]
        scheduler = _PB2(hyperparam_bounds={HYPER: bounds}, **arguments)
    else:
        changes = {axis.name: _mutations(axis.domain) for axis in axes}
        scheduler = _PBT(hyperparam_mutations={HYPER: changes}, **arguments)
    scheduler.axes, scheduler.draws = axes, _Draws(int(population, 16) % 2**32)
    return scheduler


def _bounds(domain: Distribution) -> tuple[float, float]:
    """PB2 chooses among all numbers between the smallest value and the largest."""
    values = domain.examples()
    return float(min(values)), float(max(values))


def _mutations(domain: Distribution) -> Any:
    """What PBT draws anew from, in Ray's words; in a list it moves to a neighbour, too."""
    if isinstance(domain, Choice):
        return sorted(map(float, domain.values))
    if isinstance(domain, Steps):
        return ray.tune.quniform(domain.low, domain.high, domain.step)
    draw = ray.tune.loguniform if isinstance(domain, LogUniform) else ray.tune.uniform
    return draw(domain.low, domain.high)


def _values(pack: Pack, axes: Sequence[Axis]) -> dict[str, float]:
    methods = pack.runs[0].task.regularizers
    return {axis.name: float(getattr(methods[axis.regularizer], axis.field)) for axis in axes}


def _in_effect(result: Mapping[str, Any], axes: Sequence[Axis]) -> dict[str, float]:
    """What the first run of a trial, and so all of them, was trained with in the last epoch.

    Tensors have rounded it to float32.
    """
    curves = result["outcomes"][0].result.curves
    last = {axis.name: float(curves[f"{COURSE}{axis.name}"][-1]) for axis in axes}
    return {axis.name: nearest(axis.domain, last[axis.name]) for axis in axes}


def accepted(
    old: Mapping[str, float], new: Mapping[str, float], pack: Pack, axes: Sequence[Axis]
) -> dict[str, float]:
    """New values as far as the search space allows, or the old where a regularizer refuses them."""
    within = {axis.name: nearest(axis.domain, new[axis.name]) for axis in axes}
    methods = pack.runs[0].task.regularizers
    for place, method in enumerate(methods):
        fields = {axis.field: within[axis.name] for axis in axes if axis.regularizer == place}
        try:
            type(method).model_validate(method.model_dump() | fields)
        except ValidationError:
            return dict(old)
    return within


def nearest(domain: Distribution, value: float) -> float:
    """The value of ``domain`` next to ``value``."""
    if isinstance(domain, Choice):
        return float(min(domain.values, key=lambda known: abs(known - value)))
    if isinstance(domain, Steps):
        value = domain.nearest(value)
    return float(min(max(value, domain.low), domain.high))
