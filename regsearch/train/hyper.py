"""Hyper-parameters of K runs as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regsearch.space import Kind, per_run_fields
from regsearch.train.step import Hyper
from regsearch.train.task import Task


def stack_reals(
    configs: Sequence[Kind], device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """The fields of ``configs`` that may differ from run to run, ``[K]`` each."""
    return {
        name: torch.tensor([getattr(c, name) for c in configs], dtype=dtype, device=device)
        for name in per_run_fields(type(configs[0]))
    }


def stack_hyper(tasks: Sequence[Task], device: torch.device) -> Hyper:
    """Seeds (int64) and hyper-parameters: of the optimizer in float64, all others in float32."""
    methods = zip(*(task.regularizers for task in tasks), strict=True)
    return Hyper(
        torch.tensor([task.seed for task in tasks], device=device),
        stack_reals([task.train.optimizer for task in tasks], device, torch.float64),
        stack_reals([task.train.loss for task in tasks], device, torch.float32),
        [stack_reals(configs, device, torch.float32) for configs in methods],
    )
