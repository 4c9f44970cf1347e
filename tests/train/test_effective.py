"""The weights that layers use, of K models at once, against each model's own attributes."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.func import stack_module_state
from torch.nn.utils import parametrize

from regsearch.own_loop import constrain
from regsearch.train.effective import effective_weights


class Doubled(nn.Module):
    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        return 2 * raw


def model() -> nn.Module:
    layers = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    parametrize.register_parametrization(layers[2], "bias", Doubled())
    return constrain(layers, "weight_norm")  # two raw tensors each: lengths and directions


def test_they_are_what_each_layer_multiplies_with() -> None:
    models = [model() for _ in range(3)]
    for param in (param for m in models for param in m.parameters()):
        nn.init.uniform_(param)
    params, buffers = stack_module_state(models)
    found = effective_weights(copy.deepcopy(models[0]).to("meta"), params, buffers)
    assert set(found) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    for k, m in enumerate(models):
        for name, value in found.items():
            layer, _, tensor = name.partition(".")
            torch.testing.assert_close(value[k], getattr(m.get_submodule(layer), tensor))


def test_without_parametrizations_they_are_the_parameters() -> None:
    params, buffers = stack_module_state([nn.Linear(3, 2) for _ in range(2)])
    assert effective_weights(nn.Linear(3, 2), params, buffers) is params
