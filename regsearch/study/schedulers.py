"""Ray Tune's trial schedulers, by Ray's names and arguments.

Under a scheduler other than ``fifo`` a trial is one cell, trained as one pack: what the scheduler
sees after each epoch is the metric's mean over the cell's runs. A diverged run ends its trial under
all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from regsearch.registry import Registry
from regsearch.space import Config


class Scheduling(Config):
    """What every scheduler has; each narrows ``type`` to its own name."""

    type: str


class Fifo(Scheduling):
    """No run is stopped early."""

    type: Annotated[Literal["fifo"], Field(description="first in, first out")] = "fifo"


TimeAttr = Annotated[
    Literal["training_iteration", "time_total_s"],
    Field(description="unit of the arguments that follow: epochs, or seconds of training"),
]
MaxT = Annotated[
    Annotated[int, Field(ge=1, le=1_000_000_000)] | None,
    Field(description="when a trial is done; null: train.epochs; seconds need a value"),
]


class AsyncHyperBand(Scheduling):
    """ASHA: at each rung, a trial that is not among the best 1/reduction_factor is stopped."""

    type: Literal["async_hyperband"] = Field(description="also: asha")
    time_attr: TimeAttr = "training_iteration"
    max_t: MaxT = None
    grace_period: Annotated[int, Field(ge=1, le=1_000_000, description="the first rung")] = 1
    reduction_factor: Annotated[
        float, Field(gt=1, le=1_000, description="ratio of one rung to the next")
    ] = 4
    brackets: Annotated[
        int, Field(ge=1, le=100, description="each begins a rung later than the one before")
    ] = 1


class HyperBand(Scheduling):
    """Synchronous: the trials of a bracket wait for each other, then the worst are stopped."""

    type: Literal["hyperband"] = Field(description="by successive halving")
    time_attr: TimeAttr = "training_iteration"
    max_t: MaxT = None
    reduction_factor: Annotated[
        float, Field(gt=1, le=1_000, description="share of trials that each halving stops, eta")
    ] = 3


class MedianStoppingRule(Scheduling):
    """Stops a trial whose best is worse than the median of the others' running means."""

    type: Literal["median_stopping_rule"] = Field(description="Google Vizier's rule")
    time_attr: TimeAttr = "training_iteration"
    grace_period: Annotated[
        float, Field(ge=0, le=1e9, description="no trial younger than this is stopped")
    ] = 1
    min_samples_required: Annotated[
        int, Field(ge=1, le=100_000, description="trials needed for a median")
    ] = 3
    min_time_slice: Annotated[
        int, Field(ge=0, le=1_000_000, description="how long a trial runs before it may wait")
    ] = 0


class Population(Scheduling):
    """What the schedulers have that train a population: poor trials go on as copies of good ones.

    Hyper-parameters that the search space varies change with each copy. A population are the
    trials of one structure under one combination of factor levels.
    """

    time_attr: TimeAttr = "training_iteration"
    perturbation_interval: Annotated[
        float, Field(gt=0, le=1_000_000, description="time from one comparison to the next")
    ]
    quantile_fraction: Annotated[
        float, Field(gt=0, le=0.5, description="share of trials that are replaced by the best")
    ] = 0.25
    synch: Annotated[
        bool, Field(description="wait for all before comparing, instead of taking each in turn")
    ] = False


class PopulationBasedTraining(Population):
    """A copy's values are those of the original, perturbed or drawn anew."""

    type: Literal["pbt"] = Field(description="population based training")
    burn_in_period: Annotated[
        float, Field(ge=0, le=1_000_000, description="time before the first comparison")
    ] = 0
    resample_probability: Annotated[
        float, Field(ge=0, le=1, description="of drawing a value anew instead of perturbing it")
    ] = 0.25
    perturbation_factors: list[Annotated[float, Field(gt=0, le=100)]] = Field(
        default=[1.2, 0.8],
        min_length=2,
        max_length=2,
        description="what a number is multiplied by, one or the other; of a list of values, the "
        "next is taken instead",
    )


class PopulationBasedBandits(Population):
    """A copy's values are chosen by a Gaussian process, from how much earlier ones improved."""

    type: Literal["pb2"] = Field(description="population based bandits")


@dataclass(frozen=True)
class SchedulerKind:
    """A scheduler of Ray's, its arguments, and whether it lets trials wait for others."""

    config: type[Scheduling]
    description: str
    pauses: bool = False


SCHEDULERS: Registry[SchedulerKind] = Registry("scheduler")
"""Ray's schedulers by Ray's names."""

SCHEDULERS.add("fifo", SchedulerKind(Fifo, "no run is stopped early"))
SCHEDULERS.add("async_hyperband", SchedulerKind(AsyncHyperBand, "ASHA: stops the worst at rungs"))
SCHEDULERS.add("hyperband", SchedulerKind(HyperBand, "successive halving in brackets", pauses=True))
SCHEDULERS.add(
    "median_stopping_rule",
    SchedulerKind(MedianStoppingRule, "stops what is below the median of the others", pauses=True),
)

SCHEDULERS.add(
    "pbt", SchedulerKind(PopulationBasedTraining, "poor trials copy good ones and perturb them")
)
SCHEDULERS.add("pb2", SchedulerKind(PopulationBasedBandits, "as pbt, values by a Gaussian process"))

SAME = {"asha": "async_hyperband", "asynchyperband": "async_hyperband",
        "medianstopping": "median_stopping_rule"}  # fmt: skip
"""Ray's other names."""

LEFT_OUT = {
    "bohb": "the libraries that it needs (hpbandster, ConfigSpace) are no longer kept up",
    "hb_bohb": "the libraries that it needs (hpbandster, ConfigSpace) are no longer kept up",
    "pbt_replay": "train.course says what changes when, and `regsearch repro` replays a member",
}
"""What Ray has and a study cannot use, and why."""


def named(raw: Any) -> Any:
    """Ray's other names in their first form.

    Raises:
        ValueError: a scheduler of Ray's that no study can use.
    """
    if not isinstance(raw, dict):
        return raw
    kind = raw.get("type", "fifo")
    if kind in LEFT_OUT:
        raise ValueError(f"{kind} is left out: {LEFT_OUT[kind]}. There are {', '.join(SCHEDULERS)}")
    return raw | {"type": SAME.get(kind, kind)}
