"""From a sampler's config to Optuna's sampler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna

from regsearch.space import Kind
from regsearch.study.search.samplers import CmaEs, GridSampler, Nsga2, Nsga3, Qmc, Tpe


def make_sampler(
    config: Kind,
    number: int,
    *,
    seed: int,
    grid: dict[str, list[Any]],
    several_entries: bool,
    earlier: Sequence[optuna.trial.FrozenTrial],
) -> optuna.samplers.BaseSampler:
    """The sampler that proposes trial ``number``: a function of these arguments and of the study.

    It is made anew for every proposal and seeded by its number, so that a study that goes on
    after an interruption proposes what it would have proposed without one.

    Args:
        config: one of ``SAMPLERS``.
        number: how many proposals there were.
        seed: the search's.
        grid: values by name, where all are discrete and there is one entry.
        several_entries: whether the space is conditional.
        earlier: completed trials of an earlier start, in which a sampler left no notes of its own.
    """
    arguments = config.model_dump(exclude={"kind"})
    fresh = seed + 0x9E3779B1 * (number + 1) & 0xFFFFFFFF
    match config:
        case Tpe():
            group = several_entries if config.group is None else config.group
            arguments["group"] = group and config.multivariate
        case CmaEs():
            tuned = config.sigma0 is not None or config.use_separable_cma or several_entries
            if earlier and not tuned:
                arguments["source_trials"] = list(earlier)
        case Qmc():
            fresh = seed  # it counts its own steps through one sequence
        case GridSampler():
            fresh, arguments["search_space"] = seed, grid  # likewise, in one random order
    makers: dict[str, Any] = {
        "tpe": optuna.samplers.TPESampler,
        "gp": optuna.samplers.GPSampler,
        "cmaes": optuna.samplers.CmaEsSampler,
        "nsgaii": optuna.samplers.NSGAIISampler,
        "nsgaiii": optuna.samplers.NSGAIIISampler,
        "random": optuna.samplers.RandomSampler,
        "qmc": optuna.samplers.QMCSampler,
        "brute_force": optuna.samplers.BruteForceSampler,
        "grid": optuna.samplers.GridSampler,
    }
    sampler: optuna.samplers.BaseSampler = makers[config.kind](seed=fresh, **arguments)
    return sampler


def notes(config: Kind, position: int) -> dict[str, Any]:
    """What a genetic sampler would have noted beside the trial in this position: its generation."""
    if isinstance(config, Nsga2 | Nsga3):
        name = "NSGAIISampler" if isinstance(config, Nsga2) else "NSGAIIISampler"
        return {f"{name}:generation": position // config.population_size}
    return {}
