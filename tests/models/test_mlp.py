import numpy as np
import pytest
import torch
from pydantic import ValidationError

from regsearch.models import MODELS
from regsearch.models.mlp import Mlp, build


def test_output_is_the_matrix_formula() -> None:
    model = build(Mlp(widths=[5, 4]), (1, 2, 3), 3)
    x = torch.randn(7, 1, 2, 3)
    w1, b1, w2, b2, w3, b3 = (parameter.detach().numpy() for parameter in model.parameters())
    hidden = np.maximum(x.numpy().reshape(7, 6) @ w1.T + b1, 0)
    hidden = np.maximum(hidden @ w2.T + b2, 0)
    torch.testing.assert_close(model(x).detach(), torch.from_numpy(hidden @ w3.T + b3))


def test_no_hidden_layer_is_softmax_regression() -> None:
    model = build(Mlp(widths=[]), (6,), 3)
    x = torch.randn(2, 6)
    weight, bias = model.parameters()
    torch.testing.assert_close(model(x), x @ weight.T + bias)


def test_default_is_one_layer_of_128() -> None:
    config = MODELS["mlp"].config()
    model = MODELS["mlp"].build(config, (1, 8, 8), 10)
    assert sum(p.numel() for p in model.parameters()) == 64 * 128 + 128 + 128 * 10 + 10


def test_initial_weights_are_uniform_within_torchs_bound() -> None:
    first = next(build(Mlp(widths=[1000]), (100,), 10).parameters())
    assert 0.099 < first.abs().max() <= 0.1  # 1 / sqrt(fan_in)


@pytest.mark.parametrize("widths", [[0], [-3], [1.5], ["8"], 128])
def test_impossible_widths_are_refused(widths: object) -> None:
    with pytest.raises(ValidationError):
        Mlp.model_validate({"widths": widths})
