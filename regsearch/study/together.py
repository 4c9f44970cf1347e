"""What no value shows alone: settings of a pipeline that do not go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from regsearch.augmentations import AUGMENTATIONS
from regsearch.datasets import DATASETS, DatasetConfig
from regsearch.losses import LOSSES
from regsearch.metrics import MEASUREMENTS, METRICS, MeasurementConfig
from regsearch.mistakes import Where
from regsearch.optim import OPTIMIZERS
from regsearch.registry import nearest
from regsearch.regularizers import REGULARIZERS
from regsearch.schedules import problems as schedule_problems
from regsearch.space import Kind
from regsearch.study.domains import Searched
from regsearch.study.problems import Problem
from regsearch.study.settings import Metric, fits_targets, quantities
from regsearch.train.hyper import stack_reals
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
        rebuilding = [kind for kind in dict.fromkeys(kinds) if REGULARIZERS[kind].rebuilds]
        if len(rebuilding) > 1:
            told = f"applies {' and '.join(rebuilding)}, which each re-parametrise the model"
            problems.append((where, f"{told}; keep one, or give each an entry of its own"))
    return problems


def wrong_training(dataset: DatasetConfig, train: TrainConfig) -> list[Problem]:
    """Problems of a schedule, a loss or augmentations that fit neither each other nor the rest."""
    lr = float(_reals(train.optimizer)["lr"])
    problems: list[Problem] = [
        (("train", "schedule"), message)
        for message in schedule_problems(train.schedule, train.epochs, lr)
    ]
    targets, loss = DATASETS[dataset.kind].targets, LOSSES[train.loss.kind]
    if targets not in loss.accepts:
        fitting = ", ".join(name for name in LOSSES if targets in LOSSES[name].accepts)
        problems.append(
            (
                ("train", "loss"),
                f"{train.loss.kind} needs {' or '.join(loss.accepts)} as targets, and "
                f"{dataset.kind} has {targets}; use {fitting}",
            )
        )
    return problems + _wrong_augment(train)


def _wrong_augment(train: TrainConfig) -> list[Problem]:
    """Problems of augmentations that are applied one after the other."""
    kinds = [config.kind for config in train.augment]
    mixing = [kind for kind in kinds if AUGMENTATIONS[kind].mix]
    problems: list[Problem] = []
    for index, kind in enumerate(kinds):
        where = ("train", "augment", index)
        if kind in kinds[:index]:
            problems.append((where, f"{kind} is there already; keep one of the two"))
        elif kind in mixing[1:]:
            told = f"{kind} would mix again what {mixing[0]} has mixed; keep one of the two, or"
            problems.append((where, f"{told} let a factor train.augment have both as levels"))
        elif kind in mixing and not set(kinds[index + 1 :]) <= set(mixing):
            told = f"{kind} goes last: what follows would change how much is left of each example"
            problems.append((where, f"{told}; move it to the end"))
        if kind in mixing and train.batch_size == 1:
            problems.append((where, f"{kind} finds no partner in a train.batch_size of 1"))
    return problems


def wrong_rates(
    settings: Iterable[tuple[int, Sequence[Kind]]], optimizers: Iterable[Kind]
) -> list[Problem]:
    """Problems of ``settings``, each with its entry's index, at the optimizers' learning rates."""
    rates = dict.fromkeys(map(_rate, optimizers))
    return [
        (("search_space", "regularizers", entry), f"{config.kind}: {text}")
        for entry, setting in settings
        for config in setting
        for rate in rates
        for text in REGULARIZERS[config.kind].problems(config, rate)
    ]


def _rate(optimizer: Kind) -> float:
    """What regularizers take as the learning rate, until a schedule lowers it."""
    return float(OPTIMIZERS[optimizer.kind].rate(_reals(optimizer), optimizer))


def _reals(optimizer: Kind) -> dict[str, Tensor]:
    return stack_reals([optimizer], torch.device("cpu"), torch.float64)


def wrong_measurements(measure: Sequence[MeasurementConfig]) -> list[Problem]:
    """Problems of measurements that would write over each other."""
    names = [name for config in measure for name in MEASUREMENTS[config.kind].names(config)]
    return [
        (("measure",), f"{name} would be measured twice; keep one of the entries that do")
        for name, count in Counter(names).items()
        if count > 1
    ]


def wrong_metric(
    metric: Metric,
    dataset: DatasetConfig,
    train: TrainConfig,
    measure: Sequence[MeasurementConfig] = (),
) -> list[Problem]:
    """Problems of a metric that these runs will not have."""
    problems: list[Problem] = []
    known = [name for config in measure for name in MEASUREMENTS[config.kind].names(config)]
    if metric.name not in (*quantities(), *known):
        problems.append(
            (
                ("metric", "name"),
                f"{metric.name} is not measured.{nearest(metric.name, [*quantities(), *known])} "
                "Quantities beyond those of every epoch are what an entry of `measure` asks for"
                + (f": {', '.join(known)}" if known else ", and there is none"),
            )
        )
    if not fits_targets(metric.name, dataset):
        targets = DATASETS[dataset.kind].targets
        problems.append(
            (
                ("metric", "name"),
                f"{metric.name} is not measured, as the targets of {dataset.kind} are {targets}; "
                f"name another, such as {_example(targets)}",
            )
        )
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


def wrong_quantized(metric: Metric, settings: Iterable[Sequence[Kind]]) -> list[Problem]:
    """Problems of a metric of quantized weights, where some ``settings`` do not quantize."""
    if not metric.name.startswith("quantized_"):
        return []
    for setting in settings:
        if not any(REGULARIZERS[config.kind].quantizer(config) for config in setting):
            kinds = " + ".join(config.kind for config in setting)
            message = (
                f"{metric.name} is measured only where weights are quantized, and {kinds} leaves "
                "them as they are; name a test_ quantity"
            )
            return [(("metric", "name"), message)]
    return []


def _example(targets: str) -> str:
    return next(
        f"test_{name}"
        for name in METRICS
        if METRICS[name].of == "predictions" and METRICS[name].targets == targets
    )
