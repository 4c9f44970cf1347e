"""Training one pack a little at a time: what a Ray actor, or this process, does with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from regsearch.study.checkpoints import PackCheckpoints, begun
from regsearch.study.pack import Pack, resume
from regsearch.train import checkpoint
from regsearch.train.loop import PackTraining, RunResult
from regsearch.train.pilot import is_out_of_memory

MEMBER = "out of memory, and a member of a population cannot be halved: choose fewer seeds"
ALONE = "out of memory with a single run: choose a smaller batch_size or model"


@dataclass(frozen=True)
class Progress:
    """What happened in one pack since the last report, in epochs of single runs."""

    epochs: int = 0
    diverged: int = 0  # runs, so far
    metrics: dict[str, float] = field(default_factory=dict)  # best over the pack, last epoch
    epoch: float = 0.0  # that its runs have come to, on average: parts may differ


@dataclass(frozen=True)
class Outcome:
    """A finished run of a pack, or why there is no result of it."""

    run: str
    result: RunResult | None = field(repr=False)  # Tune writes each report out, three times
    failure: str | None
    runs_together: int


class PackWork:
    """A pack in training; out of memory halves what is trained together and goes on.

    Parts are trained one after the other; those of a ``whole`` pack an epoch each in turn, for a
    scheduler judges it by the mean over all its runs after each epoch.
    """

    def __init__(
        self,
        pack: Pack,
        checkpoints: Path | None,
        every_s: float,
        keep: int,
        *,
        whole: bool = False,
    ) -> None:
        """Take up ``pack`` in the parts that an earlier attempt has saved, if it was halved."""
        self._whole, self._every_s, self._keep = whole, every_s, keep
        self._folder, self._engine = checkpoints, pack.engine
        old, new = resume(pack.runs, begun(checkpoints) if checkpoints else [])
        cuts = [*old, tuple(new)] if new else old
        self._parts = [self._part(pack.part(runs)) for runs in cuts]
        self._told = 0  # epoch of the last report
        self._next_save = time.monotonic() + every_s

    def _part(self, pack: Pack) -> _Part:
        return _Part(
            pack, PackCheckpoints(self._folder, pack, self._keep) if self._folder else None
        )

    @property
    def done(self) -> bool:
        """True once every run of the pack has its outcome."""
        return all(part.outcomes for part in self._parts)

    @property
    def outcomes(self) -> list[Outcome]:
        """Those of the parts that are done."""
        return [outcome for part in self._parts for outcome in part.outcomes]

    def so_far(self) -> list[Outcome]:
        """Outcomes if training ended now: runs that are not done are ``stopped``."""
        return [outcome for part in self._parts for outcome in part.outcomes or part.so_far()]

    def advance(self, seconds: float) -> Progress:
        """Train whole epochs for at least ``seconds``, or to the end.

        Raises:
            MemoryError: a single run of a ``whole`` pack does not fit beside the others.
        """
        deadline = time.monotonic() + seconds
        epochs, metrics = 0, dict[str, float]()
        while not self.done:
            part = self._next()
            if not part.train_epoch():
                self._halve(part)
                continue
            epochs, metrics = epochs + len(part.pack.runs), part.best
            if time.monotonic() >= self._next_save:
                self.save()
            if time.monotonic() >= deadline and self._level():
                break
        self._told = max(part.epoch for part in self._parts)
        return Progress(
            epochs, sum(part.diverged for part in self._parts), metrics, self._mean_epoch()
        )

    def _mean_epoch(self) -> float:
        sizes = [len(part.pack.runs) for part in self._parts]
        trained = (part.epoch * size for part, size in zip(self._parts, sizes, strict=True))
        return sum(trained) / sum(sizes)

    def save(self) -> None:
        """Write checkpoints of what is being trained, if there is a folder for them."""
        for part in self._parts:
            part.save()
        self._next_save = time.monotonic() + self._every_s

    def hand_over(self, folder: Path) -> None:
        """Write what a member of a population is trained to, for another to go on from."""
        [part] = self._parts
        part.hand_over(folder)

    def take_over(self, folder: Path, values: Mapping[str, float]) -> None:
        """Go on from what another member has handed over, with these hyper-parameters.

        Where that is damaged, go on as before: the next report tells which values are in effect.
        """
        [part] = self._parts
        if part.take_over(folder, values):
            self._told = part.epoch
            self.save()

    def _next(self) -> _Part:
        left = [part for part in self._parts if not part.outcomes]
        return min(left, key=lambda part: part.epoch) if self._whole else left[0]

    def _level(self) -> bool:
        """Whether a report may be made: of a whole pack, of one epoch, later than the last."""
        last = max(part.epoch for part in self._parts)
        level = all(part.epoch == last for part in self._parts if not part.outcomes)
        return not self._whole or (level and last > self._told)

    def _halve(self, part: _Part) -> None:
        """Put two parts in the place of one that does not fit, and is not begun again."""
        if part.pack.runs[0].task.population:
            raise MemoryError(MEMBER)
        part.discard()
        self._engine.release_memory()
        runs = part.pack.runs
        if len(runs) > 1:
            place, middle = self._parts.index(part), len(runs) // 2
            halves = [part.pack.part(half) for half in (runs[:middle], runs[middle:])]
            self._parts[place : place + 1] = map(self._part, halves)
        elif self._whole:
            raise MemoryError(ALONE)
        else:
            part.outcomes = [Outcome(runs[0].run, None, ALONE, 1)]


class _Part:
    """Runs that are trained together: a pack, or what halving left of it."""

    def __init__(self, pack: Pack, saves: PackCheckpoints | None) -> None:
        self.pack = pack
        self.outcomes: list[Outcome] = []  # once it is done
        self.epoch, self.diverged = 0, 0
        self.best: dict[str, float] = {}
        self._saves = saves
        self._training: PackTraining | None = None

    def train_epoch(self) -> bool:
        """Train one more epoch; False when memory ran out.

        What an error left half trained is let go: it must not be saved as a whole epoch, and
        must not hold the memory that the halves need.
        """
        try:
            training = self._open()
            training.run_epoch()
        except Exception as error:
            self._training = None
            if not is_out_of_memory(error):
                raise
            return False
        self.epoch, self.diverged = training.epoch, training.diverged
        self.best = training.best_now()
        if training.done:
            self.outcomes, self._training = self.so_far(), None
        return True

    def so_far(self) -> list[Outcome]:
        """Outcomes if training ended now; none before it has begun."""
        if self._training is None:
            return []
        pairs = zip(self.pack.runs, self._training.results(), strict=True)
        return [Outcome(run.run, result, None, len(self.pack.runs)) for run, result in pairs]

    def save(self) -> None:
        """Write a checkpoint of what is being trained."""
        if self._saves and self._training and self._training.epoch > 0:
            self._saves.save(self._training.epoch, self._training.state_dict())

    def hand_over(self, folder: Path) -> None:
        """Write the state, which has had an epoch, for another part to go on from."""
        training = self._open()
        checkpoint.save(folder, training.epoch, training.state_dict())

    def take_over(self, folder: Path, values: Mapping[str, float]) -> bool:
        """Go on from what another has handed over; False where that is damaged.

        Its own checkpoints may be of later epochs than it goes on from: they are removed.
        """
        found = checkpoint.load_latest(folder)
        if found is None:
            return False
        self._training = self._open()
        self._training.load_state_dict(found[1])
        self._training.course.set(values)
        self.epoch = self._training.epoch
        self.discard()
        return True

    def discard(self) -> None:
        """Remove the checkpoints."""
        if self._saves:
            self._saves.discard()

    def _open(self) -> PackTraining:
        if self._training is None:
            training = PackTraining([run.task for run in self.pack.runs], self.pack.engine)
            saved = self._saves.load() if self._saves else None
            if saved:
                training.load_state_dict(saved)
            self._training = training
        return self._training
