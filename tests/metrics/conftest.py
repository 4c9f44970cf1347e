"""Models of several runs to measure, with random weights and data."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regsearch.metrics import Subject
from regsearch.pixels import Pixels
from regsearch.train.effective import effective_weights

MakeSubject = Callable[..., Subject]


@pytest.fixture
def make_subject() -> MakeSubject:
    """Runs of ``models``, one each; keywords replace parts, as of a data set of ten examples."""

    def make(
        *models: nn.Module, shape: tuple[int, ...] = (4,), classes: int = 3, **parts: Any
    ) -> Subject:
        runs = len(models)
        shell = copy.deepcopy(models[0]).eval().to("meta")
        params = stacked([dict(model.named_parameters()) for model in models])
        buffers = stacked([dict(model.named_buffers()) for model in models])
        dtype = next(iter(params.values())).dtype
        whole = Subject(
            model=shell,
            params=params,
            buffers=buffers,
            weights=effective_weights(shell, params, buffers),
            x_train=torch.rand(10, *shape, dtype=dtype),
            y_train=torch.randint(classes, (runs, 10)),
            y_true=torch.randint(classes, (10,)),
            x_test=torch.rand(7, *shape, dtype=dtype),
            y_test=torch.randint(classes, (runs, 7)),
            seed=torch.arange(runs),
            chunk=4,
            pixels=Pixels(),
        )
        return whole._replace(**parts)

    return make


def stacked(trees: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([tree[name].detach() for tree in trees]) for name in trees[0]}
