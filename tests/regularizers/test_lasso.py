"""The lasso against autograd, and against the closed form of its minimum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from regsearch.own_loop import attach
from regsearch.regularizers.lasso import Lasso, on_grads, plan


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).double()


def test_each_run_gets_the_gradient_of_its_penalty() -> None:
    model, strengths = net(), torch.tensor([0.0, 0.1, 2.0]).double()
    params = {n: torch.randn(3, *p.shape).double() for n, p in model.named_parameters()}
    grads = {name: torch.randn_like(param) for name, param in params.items()}
    new = on_grads(grads, params, {"strength": strengths}, plan(model, params, Lasso(strength=1.0)))
    for name in ("0.weight", "2.weight"):
        w = params[name].clone().requires_grad_()
        (strengths * w.abs().sum((1, 2))).sum().backward()
        assert w.grad is not None
        torch.testing.assert_close(new[name], grads[name] + w.grad)
        assert torch.equal(new[name][0], grads[name][0])
    assert torch.equal(new["0.bias"], grads["0.bias"])


def test_a_loop_with_the_penalty_in_its_loss_is_the_same() -> None:
    expected, ours = net(), net()
    weights = [expected.get_parameter("0.weight"), expected.get_parameter("2.weight")]
    theirs = torch.optim.SGD(expected.parameters(), lr=0.1, momentum=0.9)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    attach(optimizer, ours, "lasso", strength=0.02)
    for _ in range(6):
        x, y = torch.randn(16, 5).double(), torch.randint(0, 3, (16,))
        theirs.zero_grad()
        optimizer.zero_grad()
        penalty = 0.02 * sum(weight.abs().sum() for weight in weights)
        (nn.functional.cross_entropy(expected(x), y) + penalty).backward()
        nn.functional.cross_entropy(ours(x), y).backward()
        theirs.step()
        optimizer.step()
    for name, param in ours.named_parameters():
        reference = expected.get_parameter(name).detach()
        torch.testing.assert_close(param.detach(), reference, rtol=1e-9, atol=1e-12)


def test_descent_ends_within_a_step_of_the_soft_threshold() -> None:
    """1/2 (w - u)^2 + strength |w| is least at sgn(u) max(|u| - strength, 0)."""
    layer, u = nn.Linear(9, 1, bias=False), torch.linspace(-2, 2, 9).double()
    strength, lr = 0.6, 1e-3
    w: Tensor = torch.randn(1, 1, 9).double()
    hp = {"strength": torch.tensor([strength]).double()}
    names = plan(layer, {"weight": w}, Lasso(strength=strength))
    for _ in range(8000):
        w = w - lr * on_grads({"weight": w - u}, {"weight": w}, hp, names)["weight"]
    expected = u.sign() * (u.abs() - strength).clamp_min(0)
    assert float((w - expected).abs().max()) < 2 * lr * strength


def test_a_zero_weight_is_not_pushed() -> None:
    params, hp = {"weight": torch.zeros(1, 2, 3)}, {"strength": torch.tensor([5.0])}
    names = plan(nn.Linear(3, 2), params, Lasso(strength=5.0))
    assert torch.equal(on_grads(params, params, hp, names)["weight"], params["weight"])


def test_excluded_weights_and_scope() -> None:
    model = net()
    params = {name: param.detach()[None] for name, param in model.named_parameters()}
    assert plan(model, params, Lasso(strength=1.0, exclude=["2.*"])) == ["0.weight"]
    assert plan(model, params, Lasso(strength=1.0, scope="all")) == list(params)


def test_negative_strength_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Lasso(strength=-1.0)
