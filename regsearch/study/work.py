"""Training one pack a little at a time: what a Ray actor, or this process, does with it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from regsearch.study.checkpoints import PackCheckpoints
from regsearch.study.pack import Pack
from regsearch.train.loop import PackTraining, RunResult
from regsearch.train.pilot import is_out_of_memory


@dataclass(frozen=True)
class Progress:
    """What happened in one pack since the last report, in epochs of single runs."""

    epochs: int = 0
    diverged: int = 0  # runs, so far
    metrics: dict[str, float] = field(default_factory=dict)  # best over the pack, last epoch


@dataclass(frozen=True)
class Outcome:
    """A finished run of a pack, or why there is no result of it."""

    run: str
    result: RunResult | None
    failure: str | None
    runs_together: int


class PackWork:
    """A pack in training; out of memory halves what is trained together and goes on."""

    def __init__(
        self,
        pack: Pack,
        checkpoints: Path | None,
        every_s: float,
        keep: int,
        *,
        whole: bool = False,
    ) -> None:
        """``whole``: whether the runs must be trained together, as a scheduler judges them so."""
        self.outcomes: list[Outcome] = []
        self._whole = whole
        self._waiting = deque([pack])
        self._folder, self._every_s, self._keep = checkpoints, every_s, keep
        self._training: PackTraining | None = None
        self._saves: PackCheckpoints | None = None
        self._next_save = 0.0

    @property
    def done(self) -> bool:
        """True once every run of the pack has its outcome."""
        return not self._waiting

    def advance(self, seconds: float) -> Progress:
        """Train whole epochs for at least ``seconds``, or to the end."""
        deadline = time.monotonic() + seconds
        epochs, diverged, metrics = 0, 0, {}
        while self._waiting:
            pack = self._waiting[0]
            training = self._train_epoch(pack)
            if training is None:
                self._halve(pack)
                continue
            epochs += len(pack.runs)
            diverged, metrics = training.diverged, training.best_now()
            if training.done:
                self._finish(pack, training)
            elif time.monotonic() >= self._next_save:
                self.save()
            if time.monotonic() >= deadline:
                break
        return Progress(epochs, diverged, metrics)

    def _train_epoch(self, pack: Pack) -> PackTraining | None:
        """The training after one more epoch; None when memory ran out.

        What an error left half trained is let go: it must not be saved as a whole epoch, and
        must not hold the memory that the halves need.
        """
        try:
            training = self._open(pack)
            training.run_epoch()
        except Exception as error:
            self._training = None
            if self._whole or not is_out_of_memory(error):
                raise
            return None
        return training

    def so_far(self) -> list[Outcome]:
        """Outcomes if training ended now: runs that are not done are ``stopped``."""
        if self._training is None or not self._waiting:
            return self.outcomes
        pack, results = self._waiting[0], self._training.results()
        return [
            Outcome(run.run, result, None, len(pack.runs))
            for run, result in zip(pack.runs, results, strict=True)
        ]

    def save(self) -> None:
        """Write a checkpoint of what is being trained, if there is a folder for it."""
        if self._saves and self._training and self._training.epoch > 0:
            self._saves.save(self._training.epoch, self._training.state_dict())
        self._next_save = time.monotonic() + self._every_s

    def _open(self, pack: Pack) -> PackTraining:
        if self._training is None:
            training = PackTraining([run.task for run in pack.runs], pack.engine)
            if self._folder:
                self._saves = PackCheckpoints(self._folder, pack, self._keep)
                saved = self._saves.load()
                if saved:
                    training.load_state_dict(saved)
            self._training = training
            self._next_save = time.monotonic() + self._every_s
        return self._training

    def _finish(self, pack: Pack, training: PackTraining) -> None:
        for run, result in zip(pack.runs, training.results(), strict=True):
            self.outcomes.append(Outcome(run.run, result, None, len(pack.runs)))
        self._drop()

    def _halve(self, pack: Pack) -> None:
        pack.engine.release_memory()
        if self._saves:
            self._saves.discard()  # of a pack that does not fit, and is not begun again
        self._drop()
        if len(pack.runs) == 1:
            reason = "out of memory with a single run: choose a smaller batch_size or model"
            self.outcomes.append(Outcome(pack.runs[0].run, None, reason, 1))
            return
        middle = len(pack.runs) // 2
        self._waiting.extendleft([pack.part(pack.runs[middle:]), pack.part(pack.runs[:middle])])

    def _drop(self) -> None:
        self._waiting.popleft()
        self._training = self._saves = None
