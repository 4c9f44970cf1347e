"""What a scheduler sees of a trial while it trains: the mean over its runs, after each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from regsearch.records import Record, Status
from regsearch.study.designs import list_designs
from regsearch.study.expand import trials_of
from regsearch.study.schedulers import Population, Scheduling
from regsearch.study.search.space import Axis, Space
from regsearch.study.settings import Metric
from regsearch.study.spec import Pipeline
from regsearch.study.trials import Key, mean_value, worst

VALUE, EPOCH = "value", "epoch"
"""What each report to Ray Tune holds: the judged value, and how many epochs were trained."""

HYPER, COPIED = "hyper", "copied"
"""What the config of a population's trial holds: its hyper-parameters by name, and whether it is
to go on from another's checkpoint."""


@dataclass(frozen=True)
class Judging:
    """A scheduler, what it judges by, and how long a trial may be."""

    scheduler: Scheduling
    metric: Metric
    epochs: int
    before: tuple[tuple[float, ...], ...] = ()
    """Value after each epoch of every trial that is recorded, in order: a new start knows them."""
    axes: tuple[tuple[Axis, ...], ...] = ()
    """What may change while a trial of each entry of the search space trains."""

    def value(self, curves: Sequence[Mapping[str, Any]], diverged: bool) -> float:
        """The metric if training ended now; the worst there is where a run diverged."""
        name, goal = self.metric.name, self.metric.goal
        found = None if diverged else mean_value(curves, name, self._moment(curves), goal)
        return worst(goal) if found is None else found

    def _moment(self, curves: Sequence[Mapping[str, Any]]) -> str:
        """``epoch:N`` stands for the last epoch before it is reached."""
        _, named, epoch = self.metric.at.partition("epoch:")
        trained = min(len(each[self.metric.name]) for each in curves)
        return "last" if named and trained < int(epoch) else self.metric.at


def judging(pipeline: Pipeline, records: Iterable[Record]) -> Judging | None:
    """How trials of ``pipeline`` are judged; ``None`` under ``fifo``, where they are not."""
    if pipeline.scheduler.type == "fifo":
        return None
    longest = max(design.task.train.epochs for design in list_designs(pipeline))
    judged = Judging(pipeline.scheduler, pipeline.metric, longest)
    if isinstance(pipeline.scheduler, Population):
        entries = Space(pipeline.search_space.regularizers).entries
        return replace(judged, axes=tuple(tuple(entry.real_axes) for entry in entries))
    return replace(judged, before=_paths(pipeline, records, judged))


def _paths(
    pipeline: Pipeline, records: Iterable[Record], judged: Judging
) -> tuple[tuple[float, ...], ...]:
    trials, found = trials_of(pipeline), dict[Key, list[Record]]()
    for record in records:
        if record.status is not Status.FAILED and (trial := trials.find(record.task)):
            found.setdefault(trial.key, []).append(record)
    return tuple(_path(runs, judged) for runs in found.values())


def _path(records: Sequence[Record], judged: Judging) -> tuple[float, ...]:
    shortest = min(record.epochs for record in records)
    diverged = any(record.status is Status.DIVERGED for record in records)
    curves = [record.curves for record in records]
    path = [
        judged.value([{n: c[:end] for n, c in each.items()} for each in curves], False)
        for end in range(1, shortest + 1)
    ]
    if diverged and path:
        path[-1] = worst(judged.metric.goal)
    return tuple(path)
