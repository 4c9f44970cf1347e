"""Histograms against numpy's, and the shares of peaks against counts by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from regsearch.histogram import Histogram, pool
from regsearch.metrics import Histograms, Subject
from regsearch.metrics._histogram import count_values
from regsearch.metrics.layers import Layers
from regsearch.metrics.layers import measure as measure_layers
from regsearch.metrics.lipschitz import Lipschitz, local_constants
from regsearch.metrics.lipschitz import measure as measure_lipschitz
from regsearch.metrics.weight_histograms import WeightHistograms, measure

MakeSubject = Callable[..., Subject]


def of_one(values: Tensor, bins: int, **options: bool) -> Histogram:
    return count_values(values[None], bins, **options).of_run(0)


@pytest.mark.parametrize("bins", [2, 10, 256])
@pytest.mark.parametrize("signed", [True, False])
def test_counts_are_numpy_s_up_to_a_power_of_two(bins: int, signed: bool) -> None:
    scales = torch.tensor([1e-30, 1e-3, 1.0, 7.9, 1e30])
    values = scales[:, None, None] * torch.randn(5, 40, 50)
    values = values if signed else values.abs()
    found = count_values(values, bins, signed=signed)
    for k, run in enumerate(values.double().numpy()):
        one, largest = found.of_run(k), np.abs(run).max()
        assert math.log2(one.high).is_integer()
        assert one.high / 2 <= largest < one.high
        assert one.low == (-one.high if signed else 0)
        wanted, edges = np.histogram(run, bins, (one.low, one.high))
        np.testing.assert_array_equal(one.counts, wanted)
        np.testing.assert_array_equal(one.edges, edges)
        assert one.peak == (np.abs(run) > 0.99 * largest).sum()
        assert one.missing == 0


def test_no_value_is_lost_at_the_edges_and_what_is_not_finite_is_told() -> None:
    values = torch.tensor([1.0, -1.0, 0.0, -0.0, 0.5, torch.nan, torch.inf, -torch.inf])
    found = of_one(values, 4)
    assert (found.low, found.high) == (-2.0, 2.0)  # above 1, so that 1 is in a bin
    assert found.counts.tolist() == [0, 1, 3, 1]
    assert (found.peak, found.missing) == (2, 3)
    largest = torch.tensor([torch.finfo(torch.float32).max])
    assert of_one(largest, 4).counts.tolist() == [0, 0, 0, 1]


def test_nothing_and_zeros_have_histograms_too() -> None:
    for values, count in ((torch.zeros(3), 3), (torch.full((3,), torch.nan), 0)):
        found = of_one(values, 4)
        assert found.counts.tolist() == [0, 0, count, 0]
        assert found.peak == 0
        assert 0 < found.high < 1e-37


@pytest.mark.parametrize("bins", [10, 256])
@pytest.mark.parametrize("signed", [True, False])
def test_what_was_counted_apart_adds_up_as_if_counted_together(bins: int, signed: bool) -> None:
    parts = [scale * torch.randn(500) for scale in (1e-20, 0.3, 0.1, 5.0)]
    parts = [part if signed else part.abs() for part in parts]
    parts[1][0], parts[2][:2] = torch.nan, 0.0
    together = torch.cat(parts)
    pooled = pool([of_one(part, bins, signed=signed) for part in parts])
    wanted = of_one(together, bins, signed=signed)
    assert (pooled.low, pooled.high, pooled.missing) == (wanted.low, wanted.high, 1)
    np.testing.assert_array_equal(pooled.counts, wanted.counts)
    assert pooled.peak == sum(of_one(part, bins).peak for part in parts)


def test_histograms_of_other_bins_are_not_pooled() -> None:
    with pytest.raises(ValueError, match="equally many bins"):
        pool([of_one(torch.ones(3), 4), of_one(torch.ones(3), 6)])


def clipped(wall: float) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 10))
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight.normal_().clamp_(-wall, wall)
    return model


def test_walls_are_peaks(make_subject: MakeSubject) -> None:
    models = [clipped(wall) for wall in (0.5, 1.0, 100.0)]
    found = measure(make_subject(*models, shape=(40,)), WeightHistograms(bins=64))
    for k, model in enumerate(models):
        shares = []
        for name in ("0.weight", "2.weight"):
            weight = model.get_parameter(name).detach().double().numpy()
            one = found[f"weights/{name}"].of_run(k)
            wanted, _ = np.histogram(weight, 64, (one.low, one.high))
            np.testing.assert_array_equal(one.counts, wanted)
            shares.append(np.mean(np.abs(weight) > 0.99 * np.abs(weight).max()))
        assert float(found["peak_share"][k]) == pytest.approx(np.mean(shares), rel=1e-6)
    assert found["weights/0.bias"].counts.shape == (3, 10)
    expected = math.erfc(0.5 / math.sqrt(2))  # P(|w| > 0.5) of a normal weight; 1,500 weights
    assert float(found["peak_share"][0]) == pytest.approx(expected, abs=0.05)
    assert float(found["peak_share"][2]) < 0.01


def test_one_layer_alone_has_the_share_that_layers_counts(make_subject: MakeSubject) -> None:
    subject = make_subject(*(nn.Linear(20, 5) for _ in range(3)), shape=(20,))
    share = measure(subject, WeightHistograms())["peak_share"]
    torch.testing.assert_close(share, measure_layers(subject, Layers())["wall_share"])


def test_weights_are_those_that_layers_use(make_subject: MakeSubject) -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(40, 30))
    found = measure(make_subject(nn.Sequential(layer), shape=(40,)), WeightHistograms())
    histograms = {name for name, each in found.items() if isinstance(each, Histograms)}
    assert histograms == {"weights/0.weight", "weights/0.bias"}
    one = found["weights/0.weight"].of_run(0)
    wanted, _ = np.histogram(layer.weight.detach().double().numpy(), 256, (one.low, one.high))
    np.testing.assert_array_equal(one.counts, wanted)


def test_constants_are_counted_where_they_lie(make_subject: MakeSubject) -> None:
    models = [nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 3)) for _ in range(2)]
    subject = make_subject(*models, x_test=torch.randn(50, 4))
    values = local_constants(subject, 30).double().numpy()
    found = measure_lipschitz(subject, Lipschitz(samples=30))["lipschitz"]
    for k in range(2):
        one = found.of_run(k)
        assert one.low == 0
        np.testing.assert_array_equal(one.counts, np.histogram(values[k], one.edges)[0])
        assert one.counts.sum() == 30
