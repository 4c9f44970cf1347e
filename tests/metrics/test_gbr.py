"""GBR against closed forms, brute-force Jacobians and the bounds of the paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from regsearch.metrics import Subject
from regsearch.metrics.gbr import Gbr, measure

MakeSubject = Callable[..., Subject]


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    norm = nn.BatchNorm1d(6)
    norm.running_mean, norm.running_var = torch.rand(6) - 0.5, torch.rand(6) + 0.5
    layers = nn.Linear(4, 6), norm, nn.ReLU(), nn.Linear(6, 3)
    return nn.Sequential(nn.Flatten(), *layers).double().eval()


def jacobians(model: nn.Module, x: Tensor, f: Callable[[Tensor], Tensor]) -> Tensor:
    """``[N, C, D]``, one example after the other."""
    state = dict(model.named_parameters()) | dict(model.named_buffers())

    def of_one(example: Tensor) -> Tensor:
        return f(functional_call(model, state, (example[None],))[0])

    return torch.stack([jacrev(of_one)(example).flatten(1).detach() for example in x])


def test_of_a_linear_layer_it_is_the_squared_norm_exactly(make_subject: MakeSubject) -> None:
    layers = [nn.Linear(4, 3).double() for _ in range(3)]
    measured = measure(make_subject(*layers), Gbr(samples=None))["gbr"]
    wanted = torch.stack([layer.weight.detach().square().sum() for layer in layers])
    torch.testing.assert_close(measured, wanted, rtol=1e-12, atol=0)


def test_of_logits_it_is_that_of_brute_force_jacobians(make_subject: MakeSubject) -> None:
    models = [network(seed) for seed in range(2)]
    subject = make_subject(*models, shape=(1, 2, 2))
    measured = measure(subject, Gbr(samples=None))
    for k, model in enumerate(models):
        full = jacobians(model, subject.x_train, lambda logits: logits)
        gbr = full.square().sum((1, 2)).mean()
        assert float(measured["gbr"][k]) == pytest.approx(float(gbr), rel=1e-12)
        variance = model(subject.x_train).detach().numpy().var(axis=1).mean()
        assert float(measured["gbr_norm"][k]) == pytest.approx(float(gbr) / variance, rel=1e-12)


def test_of_probabilities_and_of_the_true_class(make_subject: MakeSubject) -> None:
    model = network()
    subject = make_subject(model)
    full = jacobians(model, subject.x_train, lambda logits: logits.softmax(0))
    whole = measure(subject, Gbr(f="probabilities", samples=None))["gbr_probabilities"]
    assert float(whole) == pytest.approx(float(full.square().sum((1, 2)).mean()), rel=1e-12)
    assert subject.y_true is not None
    own = full[torch.arange(10), subject.y_true]
    measured = measure(subject, Gbr(f="true_class", samples=None))["gbr_true_class"]
    assert float(measured) == pytest.approx(float(own.square().sum(1).mean()), rel=1e-12)


def test_of_a_relu_network_without_norm_layers_it_is_below_both_bounds(
    make_subject: MakeSubject,
) -> None:
    sizes = (4, 7, 5, 3)
    model = nn.Sequential()
    for inputs, outputs in pairwise(sizes):
        model.extend([nn.Linear(inputs, outputs), nn.ReLU()])
    model = model[:-1]
    squares = [float(p.detach().square().sum()) for p in model.parameters() if p.ndim > 1]
    measured = float(measure(make_subject(model), Gbr(samples=None))["gbr"])
    assert 0 < measured <= math.prod(squares) <= (sum(squares) / 3) ** 3


def test_an_equal_share_of_the_norm_makes_the_second_bound_an_equality(
    make_subject: MakeSubject,
) -> None:
    """Rank one, along each other and all units active: ENC leaves nothing between the bounds."""
    first, second = nn.Linear(4, 5, bias=False).double(), nn.Linear(5, 3, bias=False).double()
    inner = torch.rand(5, 1).double() + 0.1
    with torch.no_grad():
        first.weight.copy_(inner @ (torch.rand(1, 4) + 0.1).double())
        second.weight.copy_((torch.rand(3, 1) + 0.1).double() @ inner.T)
        for layer in (first, second):
            layer.weight.mul_(1.3 / layer.weight.norm())
    measured = measure(make_subject(nn.Sequential(first, nn.ReLU(), second)), Gbr(samples=None))
    assert float(measured["gbr"]) == pytest.approx(1.3**4, rel=1e-12)


def test_the_estimate_is_unbiased_and_exact_from_as_many_probes_as_outputs(
    make_subject: MakeSubject,
) -> None:
    model = network()
    wide = make_subject(model, x_train=torch.rand(1, 4).double().repeat(4000, 1))
    wide = wide._replace(chunk=4000, y_true=None)
    exact = float(measure(wide, Gbr(samples=None, probes=3))["gbr"])
    single = jacobians(model, wide.x_train[:1], lambda logits: logits)[0]
    assert exact == pytest.approx(float(single.square().sum()), rel=1e-12)
    gram = single @ single.T
    spread = float(2 * (gram.square().sum() - gram.diagonal().square().sum())) ** 0.5
    for probes in (1, 2):
        estimate = float(measure(wide, Gbr(samples=None, probes=probes))["gbr"])
        error = spread / (4000 * probes) ** 0.5  # of signs: Var = 2 sum over i != j of G_ij^2
        assert 0 < abs(estimate - exact) < 4 * error


def test_probes_and_examples_are_the_same_at_every_epoch_and_in_every_run(
    make_subject: MakeSubject,
) -> None:
    model = network()
    twice = make_subject(model, model)
    config = Gbr(samples=5, probes=1)
    first, second = (measure(twice, config)["gbr"] for _ in range(2))
    assert torch.equal(first, second)
    assert first[0] == first[1]
    assert float(measure(twice, Gbr(samples=6, probes=1))["gbr"][0]) != float(first[0])


def test_the_normalised_value_does_not_change_with_the_size_of_the_logits(
    make_subject: MakeSubject,
) -> None:
    small = nn.Linear(4, 3)
    large = nn.Linear(4, 3)
    large.load_state_dict({name: 7 * value for name, value in small.state_dict().items()})
    measured = measure(make_subject(small, large), Gbr(samples=None))
    torch.testing.assert_close(measured["gbr"][1], 49 * measured["gbr"][0])
    torch.testing.assert_close(measured["gbr_norm"][1], measured["gbr_norm"][0])
