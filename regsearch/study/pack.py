"""Packs: runs of one structure that are trained together as one tensor program."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from regsearch.study.trials import PlannedRun
from regsearch.train.engine import Engine
from regsearch.train.task import digest


@dataclass(frozen=True, repr=False)
class Pack:
    """What one trial of Ray Tune trains; its name is made from its runs."""

    runs: tuple[PlannedRun, ...]
    engine: Engine

    @cached_property
    def name(self) -> str:
        """Hash of the runs: the same runs resume from the same checkpoints."""
        return digest([run.run for run in self.runs])

    def part(self, runs: tuple[PlannedRun, ...]) -> Pack:
        """The same engine on fewer runs."""
        return Pack(runs, self.engine)

    def __deepcopy__(self, memo: dict[int, Any]) -> Pack:
        """Itself, for it never changes: Tune copies a trial's config again and again."""
        return self

    def __repr__(self) -> str:
        """Short: Tune makes a trial's name from it."""
        return f"Pack({self.name}, {len(self.runs)} runs)"


def group(runs: Iterable[PlannedRun]) -> dict[str, list[PlannedRun]]:
    """Runs by structure, the order within and between the groups kept."""
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        groups.setdefault(digest(run.task.structure()), []).append(run)
    return groups


def cut(runs: Sequence[PlannedRun], most: int, workers: int) -> list[tuple[PlannedRun, ...]]:
    """Cut runs of one structure into packs of nearly equal size.

    At most ``most`` runs a pack, and where there is more than one pack a multiple of ``workers``
    of them, so that no worker idles at the end.
    """
    count = math.ceil(len(runs) / most)
    if count > 1:
        count = min(len(runs), math.ceil(count / workers) * workers)
    size, longer = divmod(len(runs), count)
    cuts, start = [], 0
    for number in range(count):
        end = start + size + (number < longer)
        cuts.append(tuple(runs[start:end]))
        start = end
    return cuts


def resume(
    runs: Sequence[PlannedRun], begun: Iterable[Sequence[str]]
) -> tuple[list[tuple[PlannedRun, ...]], list[PlannedRun]]:
    """Split ``runs`` into the packs that were begun before, as they were, and the other runs.

    ``begun`` lists the runs of each pack that has checkpoints. A pack of which some run is not
    wanted any more, or finished elsewhere, is not taken up again.
    """
    waiting = {run.run: run for run in runs}
    packs = []
    for names in begun:
        if all(name in waiting for name in names):
            packs.append(tuple(waiting.pop(name) for name in names))
    return packs, list(waiting.values())


def form_whole(
    trials: Sequence[Sequence[PlannedRun]],
    choose: Callable[[str, Sequence[PlannedRun]], tuple[int, Engine]],
) -> list[Pack]:
    """One pack for each trial, whose runs are of one structure: a scheduler judges it as one."""
    structures = [digest(runs[0].task.structure()) for runs in trials]
    gathered: dict[str, list[PlannedRun]] = {}
    for structure, runs in zip(structures, trials, strict=True):
        gathered.setdefault(structure, []).extend(runs)
    engines = {name: choose(name, runs)[1] for name, runs in gathered.items()}
    return [
        Pack(tuple(runs), engines[structure])
        for structure, runs in zip(structures, trials, strict=True)
    ]


def form(
    groups: dict[str, list[PlannedRun]],
    begun: Iterable[Sequence[str]],
    choose: Callable[[str, Sequence[PlannedRun]], tuple[int, Engine]],
    workers: int,
) -> list[Pack]:
    """Packs for the runs of each structure; ``choose`` says how many runs a pack holds, and how.

    Packs that were begun come first, then all others, dealt structure by structure in turn so
    that a half-done study shows something of everything.
    """
    first: list[Pack] = []
    rest: list[list[Pack]] = []
    begun = list(begun)
    for structure, runs in groups.items():
        most, engine = choose(structure, runs)
        old, new = resume(runs, begun)
        first += [Pack(part, engine) for part in old]
        rest.append([Pack(part, engine) for part in cut(new, most, workers)] if new else [])
    rounds = max(map(len, rest), default=0)
    return first + [packs[turn] for turn in range(rounds) for packs in rest if turn < len(packs)]
