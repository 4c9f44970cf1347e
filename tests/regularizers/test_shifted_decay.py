"""The shifted decay against autograd of its penalty, and against plain weight decay."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from regsearch.own_loop import constrain
from regsearch.regularizers import REGULARIZERS
from regsearch.regularizers.shifted_decay import ShiftedDecay, on_grads, plan

FORMS = ["ws", "wn", "norm", "centred"]
DECAY, SHIFT = torch.tensor([0.3, 0.0, 1.0]).double(), torch.tensor([0.5, 0.2, 0.0]).double()


def added(weight: Tensor, form: str, decay: Tensor = DECAY, shift: Tensor = SHIFT) -> Tensor:
    """What the method adds to a zero gradient of ``weight``, ``[K, m, ...]``."""
    layer = nn.Linear(3, 2)
    config = ShiftedDecay.model_validate({"kind": "shifted_decay", "form": form})
    params, grads = {"weight": weight}, {"weight": torch.zeros_like(weight)}
    hp = {"decay": decay, "shift": shift}
    return on_grads(grads, params, hp, plan(layer, params, config))["weight"]


def penalty(weight: Tensor, form: str, decay: float, shift: float) -> Tensor:
    """Of one run; weights ``[m, ...]``."""
    rows = weight.flatten(1) if form in ("ws", "wn") else weight.flatten()[None]
    if form in ("wn", "norm"):
        each = (rows.norm(dim=1) - shift) ** 2
    else:
        std = rows.std(1, correction=0)
        each = rows.shape[1] * ((std - shift) ** 2 + rows.mean(1) ** 2)
    return decay / 2 * each.sum()


@pytest.mark.parametrize(("form", "shape"), list(product(FORMS, [(4, 6), (4, 2, 3, 3)])))
def test_it_is_the_gradient_of_the_penalty_of_each_run(form: str, shape: tuple[int, ...]) -> None:
    weight = (torch.randn(3, *shape).double() + 0.3).requires_grad_()
    runs = zip(weight, DECAY.tolist(), SHIFT.tolist(), strict=True)
    torch.stack([penalty(w, form, d, s) for w, d, s in runs]).sum().backward()
    ours = added(weight.detach(), form)
    torch.testing.assert_close(ours, weight.grad, rtol=1e-12, atol=1e-14)
    assert float(ours[0].abs().max()) > 0.05


@pytest.mark.parametrize("form", FORMS)
def test_without_shift_it_is_weight_decay_and_without_decay_nothing(form: str) -> None:
    weight = torch.randn(3, 4, 6)
    decay = torch.tensor([0.0, 0.1, 2.0])
    l2 = REGULARIZERS["weight_decay"]
    config = l2.config.model_validate({"kind": "weight_decay", "decay": 0.0})
    params, zero = {"weight": weight}, {"weight": torch.zeros_like(weight)}
    expected = l2.on_grads(zero, params, {"decay": decay}, l2.plan(nn.Linear(1, 1), params, config))
    assert torch.equal(added(weight, form, decay, torch.zeros(3)), expected["weight"])
    assert REGULARIZERS["shifted_decay"].neutral == {"decay": 0.0}


@pytest.mark.parametrize("form", FORMS)
def test_weights_come_to_rest_at_the_shift(form: str) -> None:
    weight, shift = torch.randn(1, 4, 6).double(), torch.tensor([0.25]).double()
    for _ in range(200):
        weight = weight - 0.2 * added(weight, form, torch.ones(1).double(), shift)
    rows = weight[0] if form in ("ws", "wn") else weight[0].flatten()[None]
    scale = rows.norm(dim=1) if form in ("wn", "norm") else rows.std(1, correction=0)
    torch.testing.assert_close(scale, torch.full_like(scale, 0.25))
    if form in ("ws", "centred"):
        torch.testing.assert_close(rows.mean(1), torch.zeros_like(scale))


@pytest.mark.parametrize("form", FORMS)
def test_weights_without_a_direction_are_pulled_to_zero(form: str) -> None:
    assert torch.equal(added(torch.zeros(3, 4, 6).double(), form), torch.zeros(3, 4, 6).double())
    if form in ("ws", "centred"):
        constant = torch.full((3, 4, 8), 0.5).double()
        torch.testing.assert_close(added(constant, form), DECAY.view(3, 1, 1) * constant)


def test_it_acts_on_raw_weights_of_constrained_layers_in_their_form() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 3), nn.Linear(3, 1))
    constrain(model, "enc", learnable="layer", head="exempt")
    params = {name: param.detach()[None] for name, param in model.named_parameters()}
    found = plan(model, params, ShiftedDecay()).forms
    assert set(found) == {
        "0.parametrizations.weight.original",
        "2.parametrizations.weight.original",
        "3.weight",
    }
    for index in (0, 2):
        function = model[index].parametrizations.weight[0]  # type: ignore[union-attr, index]
        assert found[f"{index}.parametrizations.weight.original"] == function.form
    assert found["0.parametrizations.weight.original"] != found["3.weight"]


def test_excluded_parameters_do_not_decay() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 3))
    params = {name: param.detach()[None] for name, param in model.named_parameters()}
    assert plan(model, params, ShiftedDecay(exclude=["1.*"])).forms.keys() == {"0.weight"}
