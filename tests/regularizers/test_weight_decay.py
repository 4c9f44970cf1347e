"""Weight decay against torch's own Adam, SGD and AdamW."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regsearch.own_loop import attach
from regsearch.regularizers.weight_decay import WeightDecay, before_step, on_grads, plan


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 8) -> nn.Module:
    torch.manual_seed(1)
    for _ in range(steps):
        x, y = torch.randn(16, 5).double(), torch.randint(0, 3, (16,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).double()


@pytest.mark.parametrize(
    ("theirs", "settings", "coupled"),
    [
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, True),
        (torch.optim.Adam, {"lr": 0.05}, True),
        (torch.optim.AdamW, {"lr": 0.05}, False),
    ],
)
def test_equals_torchs_own_weight_decay(theirs, settings, coupled) -> None:  # type: ignore[no-untyped-def]
    expected, ours = net(), net()
    train(expected, theirs(expected.parameters(), weight_decay=0.3, **settings))
    plain = theirs(ours.parameters(), weight_decay=0.0, **settings)
    attach(plain, ours, "weight_decay", decay=0.3, coupled=coupled, scope="all")
    train(ours, plain)
    for name, param in ours.named_parameters():
        reference = expected.get_parameter(name).detach()
        torch.testing.assert_close(param.detach(), reference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("theirs", "coupled"), [(torch.optim.Adam, True), (torch.optim.AdamW, False)]
)
def test_scope_and_exclude_are_torchs_param_groups(theirs, coupled) -> None:  # type: ignore[no-untyped-def]
    expected, ours = normed(), normed()
    decayed = ["0.weight", "1.weight"]  # not the head, no biases
    groups = [
        {"params": [expected.get_parameter(name) for name in decayed], "weight_decay": 0.3},
        {"params": [p for n, p in expected.named_parameters() if n not in decayed]},
    ]
    train(expected, theirs(groups, lr=0.05, weight_decay=0.0))
    plain = theirs(ours.parameters(), lr=0.05, weight_decay=0.0)
    settings = {"coupled": coupled, "scope": "no_biases", "exclude": ["3.*"]}
    attach(plain, ours, "weight_decay", decay=0.3, **settings)
    train(ours, plain)
    for name, param in ours.named_parameters():
        reference = expected.get_parameter(name).detach()
        torch.testing.assert_close(param.detach(), reference, rtol=1e-6, atol=1e-8)


def normed() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)
    return nn.Sequential(*layers).double()


def test_biases_are_left_out_by_default() -> None:
    layer = nn.Linear(3, 2)
    params = {name: param.detach()[None] for name, param in layer.named_parameters()}
    grads = {name: torch.zeros_like(param) for name, param in params.items()}
    hp = {"decay": torch.tensor([0.5]), "lr": torch.tensor([0.1])}
    new = on_grads(grads, params, hp, plan(layer, params, WeightDecay(decay=0.5)))
    torch.testing.assert_close(new["weight"], 0.5 * params["weight"])
    assert torch.equal(new["bias"], grads["bias"])


def test_each_run_of_a_pack_has_its_own_strength_and_rate() -> None:
    layer = nn.Linear(3, 2)
    params = {"weight": torch.randn(3, 2, 3, dtype=torch.float64)}
    grads = {"weight": torch.randn(3, 2, 3, dtype=torch.float64)}
    decay, lr = [0.0, 0.5, 2.0], [0.1, 0.2, 0.3]
    hp = {"decay": torch.tensor(decay).double(), "lr": torch.tensor(lr).double()}
    coupled = plan(layer, params, WeightDecay(decay=1.0))
    decoupled = plan(layer, params, WeightDecay(decay=1.0, coupled=False))
    added = on_grads(grads, params, hp, coupled)["weight"]
    shrunk = before_step(params, grads, hp, decoupled)["weight"]
    for k in range(3):
        w, g = params["weight"][k], grads["weight"][k]
        torch.testing.assert_close(added[k], g + decay[k] * w)
        torch.testing.assert_close(shrunk[k], w - lr[k] * decay[k] * w)
    assert on_grads(grads, params, hp, decoupled) is grads
    assert before_step(params, grads, hp, coupled) is params


def test_negative_decay_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        WeightDecay(decay=-1e-4)
