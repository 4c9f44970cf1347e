import pytest
import torch
import torch.nn.functional as F

from regsearch.errors import SpecError
from regsearch.models.lenet4 import Lenet4, build


def test_it_has_the_431_080_parameters_of_caffes_lenet_on_mnist() -> None:
    with torch.device("meta"):
        model = build(Lenet4(), (1, 28, 28), 10)
    sizes = [tuple(param.shape) for param in model.parameters() if param.ndim > 1]
    assert sizes == [(20, 1, 5, 5), (50, 20, 5, 5), (500, 800), (10, 500)]
    assert sum(param.numel() for param in model.parameters()) == 431_080


def test_output_is_the_formula() -> None:
    model = build(Lenet4(dropout=0.5), (2, 18, 16), 3).double().eval()
    x = torch.randn(4, 2, 18, 16, dtype=torch.float64)
    k1, b1, k2, b2, w3, b3, w4, b4 = (param.detach() for param in model.parameters())
    hidden = F.max_pool2d(F.conv2d(x, k1, b1), 2)
    hidden = F.max_pool2d(F.conv2d(hidden, k2, b2), 2)
    assert hidden.shape == (4, 50, 1, 1)
    wanted = (hidden.flatten(1) @ w3.T + b3).clamp_min(0) @ w4.T + b4
    torch.testing.assert_close(model(x).detach(), wanted)


def test_dropout_acts_on_the_hidden_linear_layer() -> None:
    model = build(Lenet4(dropout=0.5), (1, 16, 16), 3)
    hidden = torch.ones(40, 500)
    dropped = model[-2](hidden)  # type: ignore[index]
    assert set(dropped.unique().tolist()) == {0.0, 2.0}


def test_images_below_16_pixels_are_refused() -> None:
    build(Lenet4(), (1, 16, 16), 3)(torch.zeros(1, 1, 16, 16))
    with pytest.raises(SpecError, match=r"lenet4 needs images of 16x16 pixels or more, .* 28x15"):
        build(Lenet4(), (1, 28, 15), 3)
    with pytest.raises(SpecError, match=r"lenet4 needs images .* shape \(64,\); use the model mlp"):
        build(Lenet4(), (64,), 3)
