import math

import pytest
import torch
from torch import nn

from regsearch.errors import SpecError
from regsearch.models import vgg9, vgg19
from regsearch.models.vgg9 import Vgg9
from regsearch.models.vgg19 import Vgg19
from regsearch.unit_search import find_groups


def count(model: nn.Module) -> int:
    return sum(param.numel() for param in model.parameters())


def test_vgg9_is_the_cifar_form_of_vgg11_without_idle_biases() -> None:
    with torch.device("meta"):
        model = vgg9.build(Vgg9(), (3, 32, 32), 10)
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    widths = [layer.out_channels for layer in convolutions]
    assert widths == [64, 128, 256, 256, 512, 512, 512, 512]
    assert count(model) + sum(widths) == 9_231_114  # as published with biases below batch norm
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()) == 8


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 11), (1, 32, 32), (1, 31, 40)])
def test_vgg9_puts_a_border_of_zeros_around_small_images(shape: tuple[int, ...]) -> None:
    model = vgg9.build(Vgg9(width=2), shape, 3).eval()
    x = torch.randn(2, *shape)
    high, wide = (max(32, side) for side in shape[1:])
    top, left = (high - shape[1]) // 2, (wide - shape[2]) // 2
    padded = torch.zeros(2, 1, high, wide)
    padded[:, :, top : top + shape[1], left : left + shape[2]] = x
    torch.testing.assert_close(model(x), model[1:](padded))  # type: ignore[index]


def test_vgg9_starts_within_torchs_bound() -> None:
    model = vgg9.build(Vgg9(width=32), (1, 32, 32), 10)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            assert 0.9 * bound < layer.weight.detach().abs().max() <= bound


def test_vgg19_has_the_published_layers_in_homogeneous_pairs() -> None:
    with torch.device("meta"):
        model = vgg19.build(Vgg19(), (3, 32, 32), 10)
    assert count(model) == 20_029_514
    widths = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())
    assert len(find_groups(model)) == 8  # 17 layers


def test_vgg19_starts_he_normal() -> None:
    model = vgg19.build(Vgg19(width=16), (3, 16, 16), 10)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in layers[5:]:
        deviation = float(layer.weight.detach().std())
        assert deviation == pytest.approx(math.sqrt(2 / layer.weight[0].numel()), rel=0.1)
    assert all((layer.bias == 0).all() for layer in layers)


def test_vgg19_refuses_images_that_vanish() -> None:
    with pytest.raises(SpecError, match="vgg19 needs images of 16x16 pixels or more"):
        vgg19.build(Vgg19(), (1, 8, 8), 10)
    with pytest.raises(SpecError, match=r"vgg9 needs images .* shape \(64,\)"):
        vgg9.build(Vgg9(), (64,), 10)
