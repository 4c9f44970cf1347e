"""Local Lipschitz constants against matrices and brute force, and the bound above them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import jacrev

from regsearch.errors import SpecError
from regsearch.metrics import Outline, Subject
from regsearch.metrics._spectral import spectral_norms
from regsearch.metrics.lipschitz import Lipschitz, check, local_constants, measure
from regsearch.theory.lipschitz import lipschitz_bound

MakeSubject = Callable[..., Subject]


def convolutional() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3)
    ).double()


def test_of_linear_networks_it_is_the_norm_of_the_product(make_subject: MakeSubject) -> None:
    layers = [(nn.Linear(4, 6).double(), nn.Linear(6, 3).double()) for _ in range(3)]
    models = [nn.Sequential(first, second) for first, second in layers]
    measured = measure(make_subject(*models), Lipschitz())
    products = [second.weight @ first.weight for first, second in layers]
    wanted = torch.linalg.matrix_norm(torch.stack(products), 2).detach()
    for name in ("lipschitz_median", "lipschitz_p95", "lipschitz_max"):
        torch.testing.assert_close(measured[name], wanted, rtol=1e-10, atol=0)


def test_it_is_the_largest_singular_value_of_the_jacobian(make_subject: MakeSubject) -> None:
    models = [convolutional() for _ in range(2)]
    subject = make_subject(*models, shape=(1, 3, 3))
    found = local_constants(subject)
    for k, model in enumerate(models):
        jacobians = [jacrev(model)(x[None]).detach().view(3, 9) for x in subject.x_test]
        wanted = [torch.linalg.svdvals(jacobian)[0] for jacobian in jacobians]
        torch.testing.assert_close(found[k], torch.stack(wanted), rtol=1e-10, atol=0)
        measured = measure(subject, Lipschitz())
        values = found[k].numpy()
        assert float(measured["lipschitz_median"][k]) == pytest.approx(np.median(values))
        assert float(measured["lipschitz_p95"][k]) == pytest.approx(np.percentile(values, 95))
        assert float(measured["lipschitz_max"][k]) == pytest.approx(values.max())


def test_the_bound_is_the_product_of_norms_and_lies_above(make_subject: MakeSubject) -> None:
    models = [convolutional() for _ in range(2)]
    measured = measure(make_subject(*models, shape=(1, 3, 3)), Lipschitz(bound=True))
    wanted = [lipschitz_bound(model, (1, 3, 3)) for model in models]
    assert measured["lipschitz_bound"].tolist() == pytest.approx(wanted)
    assert bool((measured["lipschitz_max"] <= measured["lipschitz_bound"]).all())


def test_the_bound_of_a_parametrised_layer_is_that_of_the_weight_in_use(
    make_subject: MakeSubject,
) -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    wanted = float(torch.linalg.matrix_norm(layer.weight.detach(), 2))
    measured = measure(make_subject(layer), Lipschitz(bound=True))["lipschitz_bound"]
    assert measured.tolist() == pytest.approx([wanted])


def test_the_bound_of_a_diverged_run_is_none(make_subject: MakeSubject) -> None:
    models = nn.Linear(4, 3), nn.Linear(4, 3)
    nn.init.constant_(models[0].weight, torch.nan)
    bound = measure(make_subject(*models), Lipschitz(bound=True))["lipschitz_bound"]
    assert bound.isnan().tolist() == [True, False]


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3), nn.ELU()])
def test_a_model_without_a_bound_is_refused_before_training(layer: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(4, 3), layer).to("meta")
    outline = Outline(model, torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64))
    check(Lipschitz(), outline)
    with pytest.raises(SpecError, match=rf"layer '1' is {type(layer).__name__}.* bound: false"):
        check(Lipschitz(bound=True), outline)


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5), (1, 7), (7, 1)])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_spectral_norms_are_those_of_an_svd(shape: tuple[int, int], size: float) -> None:
    matrices: Any = size * torch.randn(4, 2, *shape)
    wanted = torch.linalg.svdvals(matrices.double())[..., 0].float()
    torch.testing.assert_close(spectral_norms(matrices), wanted, rtol=1e-6, atol=0)


def test_of_zeros_the_spectral_norm_is_zero_and_of_what_is_not_finite_it_is_none() -> None:
    matrices = torch.zeros(3, 2, 5)
    matrices[1, 0, 0], matrices[2, 1, 1] = torch.nan, torch.inf
    norms = spectral_norms(matrices)
    assert norms[0] == 0
    assert norms[1:].isnan().all()
