"""Weight standardization against the paper's formula, written with NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from regsearch.own_loop import constrain


@pytest.mark.parametrize("layer", [nn.Linear(9, 4), nn.Conv2d(2, 4, 3), nn.Conv1d(4, 6, 2)])
def test_it_is_the_formula(layer: nn.Module) -> None:
    raw = layer.double().weight.detach().clone().numpy()
    constrain(layer, "weight_standardization", head="bare")
    rows = raw.reshape(len(raw), -1)
    mean = rows.mean(1, keepdims=True)
    variance = (rows**2).mean(1, keepdims=True) - mean**2
    expected = ((rows - mean) / np.sqrt(variance + 1e-5)).reshape(raw.shape)
    torch.testing.assert_close(layer.weight.detach(), torch.from_numpy(expected))


def test_rows_have_mean_zero_and_variance_one() -> None:
    layer = nn.Linear(50, 4)
    nn.init.normal_(layer.weight, mean=3.0, std=2.0)
    constrain(layer, "weight_standardization", head="bare")
    weight = layer.weight.detach()
    torch.testing.assert_close(weight.mean(1), torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(weight.var(1, correction=0), torch.ones(4), atol=1e-4, rtol=0)


def test_rows_that_could_not_learn_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 3))
    before = model[0].weight.detach().clone()
    constrain(model, "weight_standardization", head="bare")
    assert torch.equal(model[0].weight, before)
    assert model[1].weight.detach().var(1, correction=0).min() > 0.99
