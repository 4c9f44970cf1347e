"""Initial weights: a function of a run's seed alone, whichever pack it is in."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from regsearch.cells import Tree
from regsearch.models import MODELS
from regsearch.optim import OPTIMIZERS
from regsearch.regularizers import REGULARIZERS
from regsearch.space import Kind
from regsearch.train.seeds import seed_of
from regsearch.train.step import State
from regsearch.train.task import Task


def build_model(task: Task, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The model of one run as its regularizers want it, initialised from its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(task.seed, "init"))
        model = MODELS[task.model.kind].build(task.model, input_shape, classes)
        for config in task.regularizers:
            model = REGULARIZERS[config.kind].build(model, config)
    return model.train()


def stack_models(
    tasks: Sequence[Task], input_shape: tuple[int, ...], classes: int, device: torch.device
) -> tuple[nn.Module, Tree, Tree]:
    """One model without data, and the parameters and buffers of all runs, ``[K, ...]`` each."""
    built: dict[str, nn.Module] = {}
    models = []
    for task in tasks:
        key = _what_shapes_init(task)
        if key not in built:
            built[key] = build_model(task, input_shape, classes)
        models.append(built[key])
    params = _stack([dict(model.named_parameters()) for model in models], device)
    buffers = _stack([dict(model.named_buffers()) for model in models], device)
    return copy.deepcopy(models[0]).to("meta"), params, buffers


def initial_state(params: Tree, buffers: Tree, optimizer: Kind) -> State:
    """State before the first step."""
    slots = OPTIMIZERS[optimizer.kind].slots(params, optimizer)
    device = next(iter(params.values())).device
    return State(params, buffers, slots, torch.zeros((), dtype=torch.int64, device=device))


def _what_shapes_init(task: Task) -> str:
    rebuilt = [
        config
        for config in task.regularizers
        if REGULARIZERS[config.kind].build is not REGULARIZERS["none"].build
    ]
    return f"{task.seed} {task.model!r} {rebuilt!r}"


def _stack(trees: list[Tree], device: torch.device) -> Tree:
    return {
        name: torch.stack([tree[name].detach() for tree in trees]).to(device) for name in trees[0]
    }
