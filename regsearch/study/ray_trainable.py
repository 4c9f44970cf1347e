"""What Ray Tune runs in its actors: a trial is one pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune

from regsearch.records import Status
from regsearch.study import ray_data
from regsearch.study.executors import REPORT_EVERY_S, CheckpointPolicy
from regsearch.study.judging import COPIED, EPOCH, HYPER, VALUE, Judging
from regsearch.study.place import Place
from regsearch.study.ray_nodes import ray_place
from regsearch.study.work import PackWork

DIVERGED = "a diverged run of its cell"
"""What ends a trial that has not come to its end, if no scheduler does."""


class PackTrainable(tune.Trainable):
    """A trial: one pack. The actor is used again for the next pack, imports and all.

    Under a scheduler it reports after every epoch, with all that would be recorded if it were
    stopped then; a run that diverges ends its trial, for a scheduler alone might never.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take up a pack, from its last checkpoint where there is one."""
        if config["shelf"]:
            ray_data.use_shelf(config["shelf"])
        saves: CheckpointPolicy = config["checkpoints"]
        self._judging: Judging | None = config["judging"]
        whole = self._judging is not None
        pack = config["pack"]
        self._place: Place | None = ray_place(pack.engine.device)
        self._work = PackWork(pack, saves.folder, saves.every_s, saves.keep, whole=whole)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up the next pack in the same process."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a moment; the first report says where, the last carries what came out."""
        judging, place, self._place = self._judging, self._place, None
        report = self._judged(judging) if judging is not None else self._trained()
        return report | {"place": place}

    def _trained(self) -> dict[str, Any]:
        """Train for a while; the last report carries what came out."""
        progress = self._work.advance(REPORT_EVERY_S)
        done = self._work.done
        return {
            "progress": progress,
            "outcomes": self._work.outcomes if done else None,
            tune.result.DONE: done,
        }

    def _judged(self, judging: Judging) -> dict[str, Any]:
        """Train an epoch; the report carries what has come out so far."""
        progress = self._work.advance(0.0)
        outcomes = self._work.so_far()
        results = [outcome.result for outcome in outcomes if outcome.result]
        lost = any(result.status == Status.DIVERGED for result in results)
        over = lost and not self._work.done
        return {
            "progress": progress,
            "outcomes": outcomes,
            "by": DIVERGED if over else None,
            VALUE: judging.value([result.curves for result in results], lost),
            EPOCH: max(result.epochs for result in results),
            tune.result.DONE: over or self._work.done,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the pack where it will be looked for: the scheduler lets it wait for others.

        In a population others may go on from it. Tune wants a file of its own.
        """
        self._work.save()
        if HYPER in self.config:
            self._work.hand_over(Path(checkpoint_dir))
        Path(checkpoint_dir, "pack").touch()

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Go on from another's, where a scheduler of populations says so.

        Else a pack goes on from its own checkpoint, whoever had stopped it.
        """
        if self.config.get(COPIED):
            self._work.take_over(Path(checkpoint_dir), self.config[HYPER])

    def cleanup(self) -> None:
        """Save what is unfinished: the study was stopped."""
        if not self._work.done:
            self._work.save()
