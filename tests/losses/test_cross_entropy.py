"""Cross entropy against torch's own, label smoothing included."""

from __future__ import annotations

import pytest
import torch
from torch.func import grad_and_value, vmap
from torch.nn.functional import cross_entropy

from regsearch.losses.cross_entropy import CrossEntropy, of

SMOOTHING = [0.0, 0.1, 0.5, 1.0]


@pytest.mark.parametrize("label_smoothing", SMOOTHING)
def test_as_torch_does(label_smoothing: float) -> None:
    outputs = (5 * torch.randn(32, 10, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(10, (32,))
    hp = {"label_smoothing": torch.tensor(label_smoothing, dtype=torch.float64)}
    ours = of(outputs, labels, hp, CrossEntropy())
    theirs = cross_entropy(outputs, labels, label_smoothing=label_smoothing)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, outputs)[0] for loss in (ours, theirs)), rtol=1e-12, atol=1e-14
    )


def test_without_smoothing_not_even_rounding_differs() -> None:
    """Other runs of the pack are smoothed: the same program, and torch's gradients bit for bit."""
    outputs, labels = torch.randn(3, 64, 10), torch.randint(10, (3, 64))
    hp = {"label_smoothing": torch.tensor([0.0, 0.3, 0.0])}
    loss = grad_and_value(lambda out, y, hp: of(out, y, hp, CrossEntropy()))
    grads, values = vmap(loss)(outputs, labels, hp)
    for k, smoothing in enumerate([0.0, 0.3, 0.0]):
        point = outputs[k].clone().requires_grad_()
        theirs = cross_entropy(point, labels[k], label_smoothing=smoothing)
        (gradient,) = torch.autograd.grad(theirs, point)
        torch.testing.assert_close(values[k], theirs.detach())
        if smoothing == 0:
            assert torch.equal(grads[k], gradient)
        else:
            torch.testing.assert_close(grads[k], gradient)


def test_far_logits_stay_finite() -> None:
    outputs = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = of(outputs, torch.tensor([1]), {"label_smoothing": torch.tensor(0.0)}, CrossEntropy())
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert loss.item() == 2e4
    assert gradient.tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize("wrong", [-0.1, 1.1])
def test_a_share_outside_0_to_1_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"greater than|less than"):
        CrossEntropy(label_smoothing=wrong)
