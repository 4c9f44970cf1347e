"""Weight normalization against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.utils import parametrizations

from regsearch.own_loop import attach, constrain


def layers() -> list[nn.Module]:
    return [nn.Linear(5, 4).double(), nn.Conv2d(3, 4, 2).double()]


@pytest.mark.parametrize("which", [0, 1])
def test_it_trains_as_torchs_own(which: int) -> None:
    ours, theirs = layers()[which], layers()[which]
    theirs.load_state_dict(ours.state_dict())
    start = ours.weight.detach().clone()
    constrain(ours, "weight_norm", head="bare")
    parametrizations.weight_norm(theirs)
    torch.testing.assert_close(ours.weight, start)
    optimizers = [torch.optim.Adam(m.parameters(), lr=0.05) for m in (ours, theirs)]
    shape = [(8, 5), (8, 3, 4, 4)][which]
    for _ in range(6):
        x = torch.randn(shape).double()
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            (model(x) ** 2).sum().sqrt().backward()
            optimizer.step()
        torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-9, atol=1e-12)
    assert float((ours.weight.detach() - start).abs().max()) > 0.05


def test_gains_are_no_matrix_and_do_not_decay_with_the_weights() -> None:
    model = constrain(nn.Linear(5, 4), "weight_norm", head="bare")
    gain, raw = model.parametrizations.weight.parameters()  # type: ignore[union-attr]
    assert gain.shape == (4,)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    attach(optimizer, model, "weight_decay", decay=0.25)
    before = [gain.detach().clone(), raw.detach().clone()]
    for param in model.parameters():
        param.grad = torch.zeros_like(param)
    optimizer.step()
    torch.testing.assert_close(gain.detach(), before[0])
    torch.testing.assert_close(raw.detach(), 0.75 * before[1])


def test_a_stack_has_the_gradients_of_each_layer() -> None:
    """Where torch's own has no batching rule: it warns, and warnings are errors here."""
    models = [constrain(nn.Linear(5, 4), "weight_norm", head="bare") for _ in range(3)]
    params = {
        name: torch.stack([model.get_parameter(name).detach() for model in models])
        for name, _ in models[0].named_parameters()
    }
    x = torch.randn(6, 5)

    def loss(params: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(models[0], params, (x,)).square().sum()

    grads = vmap(grad(loss))(params)
    for k, model in enumerate(models):
        model(x).square().sum().backward()
        for name, param in model.named_parameters():
            torch.testing.assert_close(grads[name][k], param.grad)
