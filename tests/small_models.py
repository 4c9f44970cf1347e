"""Every registered model, small enough to train in a test, and inputs that it takes."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from regsearch.models import MODELS

CLASSES = 4


class Small(NamedTuple):
    """Settings of a model, and the shape of one example."""

    settings: dict[str, Any]
    shape: tuple[int, ...]


OTHERS = Small({}, (1, 8, 8))
SMALL = {
    "dropout_mlp": Small({"widths": [16], "dropout": 0.3}, (1, 8, 8)),
    "nn2": Small({"width": 8}, (1, 8, 8)),
    "nn3": Small({"width": 8}, (1, 8, 8)),
    "dnn": Small({"width": 8}, (1, 8, 8)),
    "vgg9": Small({"width": 2}, (1, 28, 28)),
    "vgg19": Small({"width": 2}, (1, 16, 16)),
    "lenet4": Small({"dropout": 0.3}, (1, 16, 16)),
    "resnet18": Small({"width": 2, "drop": "dropout", "rate": 0.3}, (3, 8, 8)),
    "resnet50": Small({"width": 2, "drop": "dropblock", "rate": 0.1}, (3, 8, 8)),
    "googlenet": Small({"width": 12}, (3, 8, 8)),
    "densenet": Small({"growth": 2, "blocks": [2, 2]}, (3, 8, 8)),
    "imagenet": Small({"architecture": "efficientnet_b0"}, (3, 32, 32)),
    "lstm": Small({"vocabulary": 9, "dimension": 5, "hidden": 6, "mask_padding": True}, (7,)),
    "custom": Small({"path": "tests.own_models:Little"}, (1, 8, 8)),
}

ONE_GRAPH = ["mlp", "lenet4"]
"""Whose step is traced whole, which takes seconds; the others are made of the same layers."""


def make(name: str) -> nn.Module:
    """The small form of the model ``name``, in float64."""
    small = SMALL.get(name, OTHERS)
    config = MODELS[name].config.model_validate({"kind": name, **small.settings})
    return MODELS[name].build(config, small.shape, CLASSES).double()


def inputs(name: str, *leading: int) -> Tensor:
    """Random examples, or words, of the leading sizes given."""
    shape = (*leading, *SMALL.get(name, OTHERS).shape)
    if name == "lstm":
        return torch.randint(9, shape)
    return torch.randn(shape, dtype=torch.float64)
