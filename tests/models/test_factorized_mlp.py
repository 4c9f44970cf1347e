import pytest
import torch
from pydantic import ValidationError
from torch import nn

from regsearch.models import MODELS
from regsearch.models.factorized_mlp import FactorizedMlp, build
from regsearch.unit_search import find_groups


def count(model: nn.Module) -> int:
    return sum(param.numel() for param in model.parameters())


def test_mlp_3_400_factorized_has_as_many_parameters_as_mlp_6_400() -> None:
    factorized = build(FactorizedMlp(widths=[400, 400, 400]), (1, 28, 28), 10)
    plain = MODELS["mlp"].build(MODELS["mlp"].config(widths=[400] * 5), (1, 28, 28), 10)
    assert count(factorized) == count(plain) == 959_610
    shapes = [param.shape for param in factorized.parameters()]
    assert shapes == [param.shape for param in plain.parameters()]


def test_output_is_the_matrix_formula() -> None:
    model = build(FactorizedMlp(widths=[4, 6]), (2, 3), 3).double()
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    w1, b1, v1, c1, w2, b2, v2, c2 = (param.detach() for param in model.parameters())
    hidden = (x.reshape(7, 6) @ w1.T + b1).clamp_min(0) @ v1.T + c1
    assert hidden.shape == (7, 6)
    wanted = (hidden @ w2.T + b2).clamp_min(0) @ v2.T + c2
    torch.testing.assert_close(model(x).detach(), wanted)


@pytest.mark.parametrize("widths", [[5], [5, 7], [5, 7, 6]])
def test_every_hidden_unit_is_in_a_group(widths: list[int]) -> None:
    model = build(FactorizedMlp(widths=widths), (8,), 3)
    units = [model.get_parameter(group.first).shape[0] for group in find_groups(model)]
    assert units == widths
    assert sum(isinstance(layer, nn.ReLU) for layer in model) == len(widths)


@pytest.mark.parametrize("widths", [[], [0], [1.5], "8"])
def test_impossible_widths_are_refused(widths: object) -> None:
    with pytest.raises(ValidationError):
        FactorizedMlp.model_validate({"widths": widths})
