"""How the runs of one structure are packed: as the file says, or from a pilot measured here."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import cycle, islice
from typing import Any

from regsearch.errors import RegsearchError
from regsearch.study.spec import Pipeline
from regsearch.study.trials import PlannedRun
from regsearch.train.engine import Engine
from regsearch.train.pilot import Advice, pilot


def processors() -> tuple[float, float]:
    """CPUs and GPUs that this process may use."""
    import torch

    return len(os.sched_getaffinity(0)), torch.cuda.device_count()


class Chooser:
    """Pack size and engine by structure, each measured once in the life of a study.

    ``remembered`` is what was chosen before, to be kept with the study: a study that goes on
    after an interruption is computed as it was begun, so that its numbers are the same. One that
    has grown, or whose file asks for other packs, is measured anew. ``measure`` runs the pilot
    where the packs will be trained; without it, here, for as many packs as share the memory.
    """

    def __init__(
        self,
        spec: Pipeline,
        workers: int,
        remembered: dict[str, Any],
        measure: Callable[..., Advice] | None = None,
        sharing: int | None = None,
    ) -> None:
        self._spec, self._workers = spec, workers
        self._pilot = measure or partial(pilot, sharing=sharing)
        self._asked = [spec.pack, spec.compile, spec.device]
        self.remembered = dict(remembered)
        self._seconds: dict[str, float] = {}  # of training, by structure
        self.bytes = 0  # of the largest pack

    @property
    def seconds(self) -> float:
        """Of training, the workers side by side, all structures chosen for."""
        return sum(self._seconds.values())

    def choose(
        self, structure: str, runs: Sequence[PlannedRun], amount: int = 0
    ) -> tuple[int, Engine]:
        """Most runs that a pack of ``runs`` may hold, and how it is computed.

        ``amount``: how many such runs there will be, where ``runs`` are only the first of them.
        """
        before, amount = self.remembered.get(structure), max(amount, len(runs))
        if before and before["asked"] == self._asked and amount <= before["runs"]:
            advice, known = Advice(**before["advice"]), before["runs"]
        else:
            advice, known = self._measure(runs, amount), amount
            self.remembered[structure] = {
                "asked": self._asked,
                "runs": known,
                "advice": asdict(advice),
            }
        self._seconds[structure] = advice.seconds * amount / known
        self.bytes = max(self.bytes, advice.bytes_per_run * min(advice.runs_together, len(runs)))
        return advice.runs_together, self._engine(advice.compile)

    def _measure(self, runs: Sequence[PlannedRun], amount: int) -> Advice:
        spec = self._spec
        most = spec.pack if isinstance(spec.pack, int) else 1 if spec.pack == "off" else None
        if amount > len(runs):
            most = min(most or len(runs), len(runs))
        tasks = [run.task for run in islice(cycle(runs), amount)]
        try:
            advice = self._pilot(tasks, self._workers, self._engine(False), most)
        except RegsearchError:
            raise
        except Exception:  # the packs will meet it too, and each run's record will say what it is
            share = math.ceil(amount / self._workers)
            advice = Advice(most or share, compile=False, seconds=0.0, bytes_per_run=0)
        if isinstance(spec.pack, int):
            advice = replace(advice, runs_together=min(spec.pack, len(runs)))
        if spec.compile != "auto":
            advice = replace(advice, compile=spec.compile)
        return advice

    def _engine(self, compile_it: bool) -> Engine:
        spec = self._spec
        device = spec.device
        if device == "auto":
            device = "cuda" if spec.resources_per_trial.gpu else "cpu"
        return Engine(compile_it, device, max(1, int(spec.resources_per_trial.cpu)))
