import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from regsearch.errors import SpecError
from regsearch.models.vgg import Vgg, build


def test_output_is_convolutions_pooling_average_and_a_matrix() -> None:
    model = build(Vgg(layers=[4, "M", 5]), (2, 6, 6), 3).double()
    x = torch.randn(7, 2, 6, 6, dtype=torch.float64)
    k1, b1, k2, b2, head, bias = (param.detach() for param in model.parameters())
    hidden = torch.conv2d(x, k1, b1, padding=1).clamp_min(0)
    hidden = hidden.reshape(7, 4, 3, 2, 3, 2).amax((3, 5))
    hidden = torch.conv2d(hidden, k2, b2, padding=1).clamp_min(0)
    torch.testing.assert_close(model(x).detach(), hidden.mean((2, 3)) @ head.T + bias)


def test_weights_are_he_normal_and_biases_zero() -> None:
    model = build(Vgg(layers=[64, 128]), (3, 8, 8), 10)
    for layer, fan_in in [(model[0], 27), (model[2], 576), (model[-1], 128)]:
        deviation = float(layer.weight.detach().std())
        assert deviation == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
        assert float(layer.weight.detach().abs().max()) > 2.5 * deviation  # normal, not uniform
        assert (layer.bias == 0).all()


def test_vgg19_has_the_published_layers() -> None:
    layers = [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4]
    with torch.device("meta"):
        model = build(Vgg.model_validate({"layers": layers}), (3, 32, 32), 10)
    assert sum(isinstance(layer, nn.Conv2d) for layer in model) == 16
    assert sum(param.numel() for param in model.parameters()) == 20_029_514


def test_batch_norm_stands_before_each_relu_in_place_of_the_bias() -> None:
    model = build(Vgg(layers=[4, "M", 5], norm="batch"), (1, 4, 4), 3)
    names = [type(layer).__name__ for layer in model]
    assert names[:4] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert names[4:7] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert model[0].bias is None


def test_too_much_pooling_is_refused_with_how_much_there_may_be() -> None:
    build(Vgg(layers=[4, "M", "M", "M"]), (1, 8, 9), 3)(torch.zeros(1, 1, 8, 9))
    with pytest.raises(SpecError, match=r"halves 8x9 images 4 times .* possible 3 times"):
        build(Vgg(layers=[4, "M", "M", "M", "M"]), (1, 8, 9), 3)


def test_examples_that_are_no_images_are_refused() -> None:
    with pytest.raises(SpecError, match=r"needs images .* shape \(64,\)"):
        build(Vgg(), (64,), 3)


@pytest.mark.parametrize("layers", [[], [0], ["N"], [4, "m"], "8"])
def test_impossible_layers_are_refused(layers: object) -> None:
    with pytest.raises(ValidationError):
        Vgg.model_validate({"layers": layers})
