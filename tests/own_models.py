"""What a user might write."""

from __future__ import annotations

from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

ANSWER = 42


class Little(nn.Module):
    """Dropout of two kinds, and a first layer that is not trained."""

    def __init__(self, input_shape: tuple[int, ...], classes: int, width: int = 6) -> None:
        super().__init__()
        self.first = nn.Conv2d(input_shape[0], width, 3).requires_grad_(False)
        self.channels = nn.Dropout2d(0.2)
        self.units = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Dropout(0.4))
        high, wide = input_shape[1:]
        self.head = nn.Linear(width * (high - 2) * (wide - 2), classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.units(self.channels(self.first(x))))


def linear(input_shape: tuple[int, ...], classes: int, *, bias: bool = True) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), classes, bias=bias))


def tensor() -> Tensor:
    return torch.zeros(3)


def failing(classes: int) -> nn.Module:
    raise RuntimeError(f"no luck with {classes}")


class Obedient(nn.Module):
    """Does once what it finds in a file, in whichever process finds it first."""

    def __init__(self, net: nn.Module, order: str, hungry: bool) -> None:
        super().__init__()
        self.net, self.order, self.hungry = net, Path(order), hungry

    def forward(self, x: Tensor) -> Tensor:
        if self.hungry:
            raise MemoryError
        if self.order.is_file():
            command = self.order.read_text()
            self.order.unlink()
            exec(command)
        return self.net(x)


def obedient(
    input_shape: tuple[int, ...], classes: int, order: str, hungry: bool = False
) -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), 32), nn.ReLU())
    return Obedient(net.append(nn.Linear(32, classes)), order, bool(hungry))
