"""Half the squared error against torch's mean squared error."""

from __future__ import annotations

import torch
from torch.nn.functional import mse_loss, one_hot

from regsearch.losses.squared_error import SquaredError, of


def test_half_as_many_times_torchs_as_there_are_outputs() -> None:
    outputs, targets = torch.randn(8, 5, dtype=torch.float64), torch.randn(8, 5).double()
    torch.testing.assert_close(
        of(outputs, targets, {}, SquaredError()), 5 / 2 * mse_loss(outputs, targets)
    )


def test_by_hand() -> None:
    outputs, targets = torch.tensor([[3.0, 1.0], [0.0, 0.0]]), torch.tensor([[0.0, 5.0], [1.0, 0]])
    assert float(of(outputs, targets, {}, SquaredError())) == (25 / 2 + 1 / 2) / 2


def test_its_gradient_is_the_residual_over_the_batch() -> None:
    outputs, targets = torch.randn(8, 5, requires_grad=True), torch.randn(8, 5)
    (gradient,) = torch.autograd.grad(of(outputs, targets, {}, SquaredError()), outputs)
    torch.testing.assert_close(gradient, (outputs.detach() - targets) / 8)


def test_a_class_stands_for_its_one_hot_vector() -> None:
    outputs, labels = torch.randn(8, 5), torch.randint(5, (8,))
    torch.testing.assert_close(
        of(outputs, labels, {}, SquaredError()),
        of(outputs, one_hot(labels, 5).float(), {}, SquaredError()),
    )
