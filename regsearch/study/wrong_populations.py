"""What schedulers of populations do not agree on with the rest of a pipeline."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from regsearch.study.problems import Problem
from regsearch.study.schedulers import Population, PopulationBasedTraining
from regsearch.study.search import ALGORITHMS, Learned

if TYPE_CHECKING:
    from regsearch.study.spec import Pipeline


def wrong_population(pipeline: Pipeline, epochs: int) -> Iterator[Problem]:
    """Problems of a population, whose runs take ``epochs`` at most; none of other schedulers."""
    scheduler = pipeline.scheduler
    if not isinstance(scheduler, Population):
        return
    if isinstance(ALGORITHMS[pipeline.search.algorithm], Learned):
        told = f"chooses cells one after another, and the members of {scheduler.type} begin "
        yield ("search", "algorithm"), f"{told}together; write random, sobol, halton or grid"
    if pipeline.search.max_concurrent_trials is not None:
        told = f"is not kept under {scheduler.type}, whose members take turns on all that is there;"
        yield ("search", "max_concurrent_trials"), f"{told} reserve more by resources_per_trial"
    if pipeline.budget.runs is not None:
        told = "cuts a population, and what becomes of a member depends on all; write fewer cells"
        yield ("budget", "runs"), told
    if pipeline.train.course or "train.course" in pipeline.factors:
        told = f"says what {scheduler.type} is to find: which values are in effect when"
        yield ("train", "course"), f"{told}; leave out one of them"
    if scheduler.time_attr != "training_iteration":
        return
    times = {"perturbation_interval": scheduler.perturbation_interval}
    if isinstance(scheduler, PopulationBasedTraining):
        times["burn_in_period"] = scheduler.burn_in_period
    for name, time in times.items():
        if math.ceil(time) >= epochs:  # compared after whole epochs, and not after the last
            told = f"{time:g} is not over before training is, as train.epochs is {epochs}"
            yield ("scheduler", name), told
