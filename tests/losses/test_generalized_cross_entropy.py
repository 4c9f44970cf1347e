"""L_q: its two limits, its gradient, and its digits where it is easily lost."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax, softmax

from regsearch.losses.generalized_cross_entropy import GeneralizedCrossEntropy, of

DOUBLE = torch.float64


def loss_of(outputs: Tensor, labels: Tensor, q: float) -> Tensor:
    hp = {"q": torch.tensor(q, dtype=outputs.dtype)}
    return of(outputs, labels, hp, GeneralizedCrossEntropy())


def logits_of(p: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Two logits that give the first class the probability ``p``."""
    return torch.tensor([[math.log(p) - math.log1p(-p), 0.0]], dtype=dtype)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.7, 1.0])
def test_the_formula(q: float) -> None:
    outputs, labels = 2 * torch.randn(20, 5, dtype=DOUBLE), torch.randint(5, (20,))
    p = softmax(outputs, -1)[torch.arange(20), labels]
    expected = ((1 - p**q) / q).mean()
    torch.testing.assert_close(loss_of(outputs, labels, q), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("q", [0.0, 1e-300, 1e-12])
def test_small_q_is_cross_entropy(q: float) -> None:
    outputs = (8 * torch.randn(20, 5, dtype=DOUBLE)).requires_grad_()
    labels = torch.randint(5, (20,))
    ours, theirs = loss_of(outputs, labels, q), cross_entropy(outputs, labels)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=0)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, outputs)[0] for loss in (ours, theirs)), rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("q", [0.0, 1e-30, 1e-7])
def test_small_q_keeps_its_digits_in_float32(q: float) -> None:
    outputs, labels = 8 * torch.randn(20, 5), torch.randint(5, (20,))
    expected = cross_entropy(outputs.double(), labels).float()
    torch.testing.assert_close(loss_of(outputs, labels, q), expected, rtol=1e-5, atol=0)


def test_q_1_is_half_the_l1_distance_to_the_label() -> None:
    outputs, labels = torch.randn(20, 5, dtype=DOUBLE), torch.randint(5, (20,))
    one_hot = torch.eye(5, dtype=DOUBLE)[labels]
    half = (softmax(outputs, -1) - one_hot).abs().sum(-1).mean() / 2
    torch.testing.assert_close(loss_of(outputs, labels, 1.0), half, rtol=1e-12, atol=0)


@pytest.mark.parametrize("q", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("p", [1e-30, 1e-13, 1e-6, 0.01, 0.2, 0.5, 0.9, 0.99])
def test_the_gradient_is_that_of_cross_entropy_times_p_to_the_q(q: float, p: float) -> None:
    """In float32, to its last digits, for labels of any probability."""
    outputs, label = logits_of(p).requires_grad_(), torch.tensor([0])
    (ours,) = torch.autograd.grad(loss_of(outputs, label, q), outputs)
    exact = outputs.detach().double().requires_grad_()
    (of_entropy,) = torch.autograd.grad(cross_entropy(exact, label), exact)
    weight = softmax(exact.detach(), -1)[0, 0] ** q
    torch.testing.assert_close(ours, (weight * of_entropy).float(), rtol=2e-5, atol=0)


@pytest.mark.parametrize("q", [1e-6, 0.01, 0.7, 1.0])
@pytest.mark.parametrize("p", [1e-30, 1e-3, 0.36, 0.37, 0.9, 1 - 1e-6])
def test_the_value_has_all_digits_that_log_softmax_has(q: float, p: float) -> None:
    outputs, label = logits_of(p), torch.tensor([0])
    log_p = float(log_softmax(outputs, -1)[0, 0])
    expected = -math.expm1(q * log_p) / q
    assert float(loss_of(outputs, label, q)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("q", [-0.1, 1.1])
def test_q_outside_0_to_1_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match=r"greater than|less than"):
        GeneralizedCrossEntropy(q=q)
