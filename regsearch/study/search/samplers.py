"""Optuna's samplers by name, with Optuna's own argument names and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from regsearch.registry import Registry
from regsearch.space import Kind

Share = Annotated[float, Field(ge=0, le=1)]
Startup = Annotated[
    int, Field(ge=0, le=100_000, description="cells drawn at random before it begins to learn")
]
Population = Annotated[
    int,
    Field(ge=2, le=100_000, description="cells of a generation; `cells` needs several of them"),
]


class Tpe(Kind):
    """Tree-structured Parzen estimator: draws where good cells are dense and bad ones are not."""

    kind: Literal["tpe"]
    n_startup_trials: Startup = 10
    n_ei_candidates: Annotated[
        int, Field(ge=1, le=100_000, description="draws, of which the most promising is taken")
    ] = 24
    multivariate: Annotated[bool, Field(description="model the hyper-parameters together")] = True
    group: Annotated[
        bool | None,
        Field(description="model each entry of the space apart; null: where it has several"),
    ] = None
    constant_liar: Annotated[
        bool, Field(description="keep away from cells that are in training")
    ] = True


class Gp(Kind):
    """Gaussian process and expected improvement: fewest cells, but seconds of its own for each."""

    kind: Literal["gp"]
    n_startup_trials: Startup = 10
    deterministic_objective: Annotated[
        bool, Field(description="whether a cell would give the same value again")
    ] = False


class CmaEs(Kind):
    """Covariance matrix adaptation: for several real hyper-parameters and hundreds of cells."""

    kind: Literal["cmaes"]
    sigma0: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Field(description="first step size; null: a sixth of the range"),
    ] = None
    n_startup_trials: Startup = 1
    popsize: Annotated[
        Annotated[int, Field(ge=2, le=100_000)] | None,
        Field(description="cells of a generation; null: 4 + 3 ln of the number of dimensions"),
    ] = None
    use_separable_cma: Annotated[bool, Field(description="a diagonal covariance")] = False
    with_margin: Annotated[bool, Field(description="keep discrete steps in reach")] = False
    lr_adapt: Annotated[bool, Field(description="adapt the learning rate to noise")] = False


class Genetic(Kind):
    """What the two genetic algorithms share."""

    population_size: Population = 50
    mutation_prob: Annotated[
        Share | None, Field(description="null: one over the number of hyper-parameters")
    ] = None
    crossover_prob: Annotated[Share, Field(description="else a parent is copied")] = 0.9
    swapping_prob: Annotated[Share, Field(description="of taking the other parent's value")] = 0.5


class Nsga2(Genetic):
    """Genetic algorithm that sorts by Pareto dominance: for two or three objectives."""

    kind: Literal["nsgaii"]


class Nsga3(Genetic):
    """NSGA-II with reference directions: for more than three objectives."""

    kind: Literal["nsgaiii"]
    dividing_parameter: Annotated[
        int, Field(ge=1, le=100, description="density of the reference directions")
    ] = 3


class RandomSampler(Kind):
    """Independent draws, asked one by one; `algorithm: random` draws them up front, and faster."""

    kind: Literal["random"]


class Qmc(Kind):
    """Low-discrepancy sequences, asked one by one; `algorithm: sobol` is faster."""

    kind: Literal["qmc"]
    qmc_type: Annotated[Literal["sobol", "halton"], Field(description="which sequence")] = "sobol"
    scramble: Annotated[bool, Field(description="at random, by the search's seed")] = False


class BruteForce(Kind):
    """Every point of a discrete space in random order."""

    kind: Literal["brute_force"]


class GridSampler(Kind):
    """Every combination of one entry's lists in random order; `algorithm: grid` is faster."""

    kind: Literal["grid"]


@dataclass(frozen=True)
class Sampler:
    """A sampler of Optuna's and what it can be used for."""

    config: type[Kind]
    description: str
    several_objectives: bool = True
    discrete_only: bool = False


SAMPLERS: Registry[Sampler] = Registry("sampler")
"""Optuna's samplers, by the name that each has in a file."""

for _name, _config, _traits in (
    ("tpe", Tpe, {}),
    ("gp", Gp, {}),
    ("cmaes", CmaEs, {"several_objectives": False}),
    ("nsgaii", Nsga2, {}),
    ("nsgaiii", Nsga3, {}),
    ("random", RandomSampler, {}),
    ("qmc", Qmc, {}),
    ("brute_force", BruteForce, {"discrete_only": True}),
    ("grid", GridSampler, {"discrete_only": True}),
):
    _description = (_config.__doc__ or "").removesuffix(".")
    SAMPLERS.add(_name, Sampler(_config, _description, **_traits))
