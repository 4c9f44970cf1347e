"""What no value shows alone: settings of a pipeline that do not go together."""

from __future__ import annotations

from collections.abc import Sequence

from regsearch.datasets import DatasetConfig
from regsearch.study.domains import Searched
from regsearch.study.problems import Problem
from regsearch.study.settings import Metric
from regsearch.study.yaml_file import Where
from regsearch.train.task import TrainConfig


def wrong_entries(entries: Sequence[Sequence[Searched]], root: Where) -> list[Problem]:
    """Problems of regularizers that are applied together; ``root`` is where the entries lie."""
    problems = []
    for index, entry in enumerate(entries):
        kinds = [regularizer.kind for regularizer in entry]
        where = (*root, index)
        if repeated := [kind for kind in dict.fromkeys(kinds) if kinds.count(kind) > 1]:
            problems.append(
                (where, f"applies {repeated[0]} twice to one model; keep one, or add up by hand")
            )
        if "none" in kinds and len(kinds) > 1:
            problems.append((where, "applies none together with another; remove none"))
    return problems


def wrong_metric(metric: Metric, dataset: DatasetConfig, train: TrainConfig) -> list[Problem]:
    """Problems of a metric that these runs will not have."""
    problems: list[Problem] = []
    if metric.name.startswith("validation_") and dataset.validation == 0:
        problems.append(
            (
                ("metric", "name"),
                f"{metric.name} is not measured while dataset.validation is 0; "
                "write how many training examples to hold out, or name a test_ quantity",
            )
        )
    _, is_epoch, epoch = metric.at.partition("epoch:")
    if is_epoch and int(epoch) > train.epochs:
        problems.append(
            (
                ("metric", "at"),
                f"{metric.at} is never reached, as train.epochs is {train.epochs}; "
                f"write epoch:{train.epochs} or last",
            )
        )
    return problems
