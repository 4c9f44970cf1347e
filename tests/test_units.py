"""Norms and scales of homogeneous units, unit by unit."""

from __future__ import annotations

import pytest
import torch

from regsearch.unit_search import find_groups
from regsearch.units import inverse, norms, to_length_one
from tests.homogeneous import ConvNet, stacked


def test_norms_are_those_of_each_units_weights() -> None:
    model = ConvNet()
    params = stacked([ConvNet(), ConvNet()])
    first, last = find_groups(model)
    incoming, outgoing = norms(params, first)
    for k in range(2):
        for i in range(4):
            w, v = params["conv1.weight"][k, i], params["conv2.weight"][k, :, i]
            assert float(incoming[k, i]) == pytest.approx(float(w.norm()))
            assert float(outgoing[k, i]) == pytest.approx(float(v.norm()))
    _, outgoing = norms(params, last)
    for i in range(5):  # four positions to each channel
        v = params["head.weight"][:, :, 4 * i : 4 * i + 4]
        torch.testing.assert_close(outgoing[:, i], v.flatten(1).norm(dim=1))


def test_one_over_nothing_is_nothing() -> None:
    norm = torch.tensor([2.0, 0.0, torch.nan])
    assert inverse(norm).tolist() == [0.5, 0.0, 0.0]


def test_to_length_one_leaves_nothing_alone_and_stretches_no_more_than_a_million_times() -> None:
    factors = to_length_one(torch.tensor([2.0, 0.0, 1e-9]))
    torch.testing.assert_close(factors, torch.tensor([0.5, 1.0, 1e6]))
