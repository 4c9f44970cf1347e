"""Initial weights: a function of a run's seed alone, whichever pack it is in."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.datasets import Data
from regsearch.models import MODELS, Words
from regsearch.optim import OPTIMIZERS
from regsearch.regularizers import REGULARIZERS
from regsearch.space import Kind
from regsearch.train.data import PackData
from regsearch.train.seeds import seed_of
from regsearch.train.step import State
from regsearch.train.task import Task


def build_model(task: Task, data: Data | PackData) -> nn.Module:
    """The model of one run for ``data``, as its regularizers want it, initialised from its seed."""
    kind = MODELS[task.model.kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(task.seed, "init"))
        model = kind.build(task.model, tuple(data.x_train.shape[1:]), data.classes)
        if kind.embed is not None:
            kind.embed(model, task.model, Words(data.vocabulary, data.embedding))
        for config in task.regularizers:
            model = REGULARIZERS[config.kind].build(model, config)
    return model.train()


def stack_models(
    tasks: Sequence[Task], data: PackData, device: torch.device
) -> tuple[nn.Module, Tree, Tree]:
    """One model without data, and the parameters and buffers of all runs, ``[K, ...]`` each.

    Parameters that need no gradient are among the buffers.
    """
    built: dict[str, nn.Module] = {}
    models = []
    for task in tasks:
        key = _what_shapes_init(task)
        if key not in built:
            built[key] = build_model(task, data)
        models.append(built[key])
    params, buffers = [], []
    for model in models:
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        frozen = {n: p for n, p in model.named_parameters() if not p.requires_grad}
        params.append(trained)
        buffers.append(frozen | dict(model.named_buffers()))
    return copy.deepcopy(models[0]).to("meta"), _stack(params, device), _stack(buffers, device)


def initial_state(params: Tree, buffers: Tree, optimizer: Kind) -> State:
    """State before the first step."""
    slots = OPTIMIZERS[optimizer.kind].slots(params, optimizer)
    device = next(iter(params.values())).device
    return State(params, buffers, slots, torch.zeros((), dtype=torch.int64, device=device))


def _what_shapes_init(task: Task) -> str:
    rebuilt = [config for config in task.regularizers if REGULARIZERS[config.kind].rebuilds]
    return f"{task.seed} {task.model!r} {rebuilt!r}"


def _stack(trees: Sequence[Mapping[str, Tensor]], device: torch.device) -> Tree:
    return {
        name: torch.stack([tree[name].detach() for tree in trees]).to(device) for name in trees[0]
    }
