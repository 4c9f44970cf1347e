"""Small networks with homogeneous units, and their training by plain SGD, K at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from regsearch.cells import Tree
from regsearch.regularizers import REGULARIZERS


def perceptron(layers: int = 4, width: int = 6) -> nn.Module:
    sizes = [5, *[width + i for i in range(layers - 1)], 3]
    parts: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        parts += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*parts[:-1]).double()


class ConvNet(nn.Module):
    """Convolution, pooling and flatten between the layers of a group, by modules and functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(6, 5, 3, padding=1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(20, 3)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.leaky_relu(self.conv2(x), 0.1)
        x = nn.functional.avg_pool2d(self.conv3(x), 2).relu_()
        x = self.drop(x.view(x.size(0), -1))
        return self.head(x)


def inputs_of(model: nn.Module, examples: int = 12) -> Tensor:
    shape = (2, 8, 8) if isinstance(model, ConvNet) else (5,)
    return torch.randn(examples, *shape, dtype=torch.float64)


def stacked(models: list[nn.Module]) -> Tree:
    return {name: value.detach() for name, value in stack_module_state(models)[0].items()}


def outputs(model: nn.Module, params: Tree, x: Tensor) -> Tensor:
    model.eval()
    return vmap(lambda p: functional_call(model, p, (x,)))(params)


def of_run(tree: Tree, k: int) -> Tree:
    return {name: value[k : k + 1] for name, value in tree.items()}


def reals(**values: list[float]) -> Tree:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}


def sgd(
    model: nn.Module,
    params: Tree,
    steps: int,
    x: Tensor,
    y: Tensor,
    hp: Tree,
    kind: str,
    **structure: Any,
) -> Tree:
    """Train all runs on one batch, learning rates ``hp["lr"]``, with the regularizer ``kind``."""

    def loss(p: Tree) -> Tensor:
        return nn.functional.cross_entropy(functional_call(model, p, (x,)), y)

    model.eval()
    method = REGULARIZERS[kind]
    values = {name: float(value[0]) for name, value in hp.items() if name != "lr"}
    plan = method.plan(model, params, method.config(kind=kind, **values, **structure))
    for step in range(1, steps + 1):
        hp = hp | {"step": torch.full(hp["lr"].shape, step)}
        grads = method.on_grads(vmap(grad(loss))(params), params, hp, plan)
        moved = {
            name: p - hp["lr"].view(-1, *[1] * (p.ndim - 1)) * grads[name]
            for name, p in params.items()
        }
        params, _ = method.after_step(moved, {}, hp, plan)
    return params
