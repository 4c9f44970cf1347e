"""Dropout whose random numbers belong to the run."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from regsearch.models import MODELS
from regsearch.models.dropout import DropBlock, Dropout, own_dropout
from regsearch.unit_search import find_groups

LAYERS = [lambda p: Dropout(p), lambda p: Dropout(p, axes=2), lambda p: DropBlock(p, 3)]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_nothing_happens_in_evaluation_nor_at_rate_0(make: Any, dtype: torch.dtype) -> None:
    x = torch.randn(5, 4, 9, 7).to(dtype)
    trained, evaluated = make(0.0)(x), make(0.7).eval()(x)
    assert trained.dtype == evaluated.dtype == dtype
    assert torch.equal(trained, x)
    assert torch.equal(evaluated, x)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_entries_are_zeroed_with_probability_p_and_the_others_divided_by_its_complement(
    p: float,
) -> None:
    x = torch.randn(200, 500, dtype=torch.float64)
    dropped = Dropout(p).double()(x)
    zero = dropped == 0
    error = (p * (1 - p) / x.numel()) ** 0.5
    assert float(zero.double().mean()) == pytest.approx(p, abs=5 * error)
    torch.testing.assert_close(dropped[~zero], x[~zero] / (1 - p), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("axes", "shared"), [(0, (0, 1, 2)), (1, (1, 2)), (2, (2,))])
def test_what_shares_its_first_axes_is_dropped_as_one(axes: int, shared: tuple[int, ...]) -> None:
    layer = Dropout(0.5, axes)
    kept = torch.stack([layer(torch.ones(20, 30, 4)) for _ in range(20)]) > 0
    inner = tuple(axis + 1 for axis in shared)
    assert torch.equal(kept.amax(inner), kept.amin(inner))
    assert 0 < float(kept.double().mean()) < 1
    if axes:
        assert not torch.equal(kept.amax(0).amax(shared), kept.amin(0).amin(shared))


def test_every_pass_and_every_layer_draws_anew_and_evaluation_draws_nothing() -> None:
    one, other = Dropout(0.5), Dropout(0.5)
    again = copy.deepcopy(one)
    x = torch.ones(1000)
    first, second = one(x), one(x)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other(x))
    assert torch.equal(again(x), first)
    again.eval()(x)
    assert torch.equal(again.train()(x), second)
    torch.manual_seed(3)
    assert torch.equal(again(x), one(x))  # torch's own stream does not matter


@pytest.mark.parametrize("make", LAYERS)
def test_a_run_of_a_pack_has_the_numbers_that_it_has_alone(make: Any) -> None:
    layers = [make(p) for p in (0.0, 0.2, 0.6)]
    params, buffers = stack_module_state(layers)
    x = torch.randn(5, 4, 9, 9)
    for _ in range(2):  # buffers count on
        together = vmap(lambda b: functional_call(layers[0], (params, b), (x,)))(buffers)
        for k, layer in enumerate(copy.deepcopy(layers)):
            layer.calls.fill_(int(buffers["calls"][k]) - 1)
            torch.testing.assert_close(together[k], layer(x))
    assert buffers["calls"].tolist() == [2, 2, 2]


def test_gradients_pass_where_entries_pass() -> None:
    layer = Dropout(0.5)
    x = torch.randn(100)

    def total(x: Tensor, buffers: dict[str, Tensor]) -> Tensor:
        return functional_call(layer, ({}, buffers), (x,)).sum()

    slopes = grad(total)(x, {name: b.clone() for name, b in layer.named_buffers()})
    torch.testing.assert_close(slopes, layer(torch.ones(100)))


def blocks(kept: Tensor, side: int) -> Tensor:
    """What is covered by squares of ``side`` that lie wholly in what was dropped."""
    dropped = (~kept).double()[None, None]
    corners = (F.avg_pool2d(dropped, side, stride=1) == 1).double()
    return F.conv_transpose2d(corners, torch.ones(1, 1, side, side).double())[0, 0] > 0


@pytest.mark.parametrize("side", [1, 2, 3])
def test_dropblock_drops_squares_and_keeps_the_mean(side: int) -> None:
    output = DropBlock(0.2, side).double()(torch.ones(30, 10, 12, 9, dtype=torch.float64))
    kept = output > 0
    for image in kept.flatten(0, 1)[:50]:
        assert torch.equal(blocks(image, side), ~image)
    assert float(output.mean()) == pytest.approx(1, abs=1e-12)
    assert len(output[kept].unique()) == 1
    gamma = 0.2 / side**2 * 12 * 9 / ((13 - side) * (10 - side))
    middle = kept[..., side - 1 : 13 - side, side - 1 : 10 - side]  # where side^2 squares reach
    assert float(middle.double().mean()) == pytest.approx((1 - gamma) ** side**2, abs=0.02)


def test_squares_larger_than_the_image_drop_all_of_a_channel() -> None:
    output = DropBlock(0.3, 7)(torch.ones(50, 40, 2, 3))
    kept = output > 0  # squares of 2x2: one or both columns of two
    assert torch.equal(kept[:, :, 0], kept[:, :, 1])
    assert 0.5 < float(kept.double().mean()) < 0.9


def test_a_batch_that_is_dropped_whole_is_zero_rather_than_nan() -> None:
    assert torch.equal(DropBlock(0.99, 2)(torch.ones(1, 1, 2, 2)), torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
@pytest.mark.parametrize("layer", [Dropout, DropBlock])
def test_impossible_rates_are_refused(layer: Any, p: float) -> None:
    with pytest.raises(ValueError, match="0 or more and below 1"):
        layer(p)


def test_torchs_dropout_is_replaced_by_its_like() -> None:
    model = own_dropout(
        nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Dropout2d(0.2), nn.ReLU()), nn.Dropout3d())
    )
    found = [(float(m.p), m.axes) for m in model.modules() if isinstance(m, Dropout)]
    assert found == [(pytest.approx(0.1), None), (pytest.approx(0.2), 2), (0.5, 2)]
    assert not any(isinstance(m, nn.Dropout | nn.Dropout2d | nn.Dropout3d) for m in model.modules())


def test_units_on_both_sides_of_dropout_are_a_group() -> None:
    config = MODELS["dropout_mlp"].config.model_validate({"kind": "dropout_mlp", "widths": [5, 4]})
    model = MODELS["dropout_mlp"].build(config, (6,), 3)
    assert [group.first for group in find_groups(model)] == ["1.weight"]
    assert [group.second for group in find_groups(model)] == ["4.weight"]
    assert int(model.get_buffer("3.calls")) == 0  # tracing draws nothing
