"""Spectral norms and bounds against matrices written out, Fourier transforms and random search."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regsearch.errors import RegsearchError
from regsearch.own_loop import attach
from regsearch.theory.lipschitz import (
    lipschitz_bound,
    norm_bound,
    one_lipschitz_volume,
    operator_norm,
    spectral_norm,
)


def unrolled(layer: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """The matrix of an affine layer, one unit vector at a time."""
    layer = layer.double()
    units = torch.eye(math.prod(shape)).double().view(-1, *shape)
    with torch.no_grad():
        return (layer(units) - layer(torch.zeros_like(units[:1]))).flatten(1).T


LAYERS: list[tuple[nn.Module, tuple[int, ...]]] = [
    (nn.Linear(7, 4), (7,)),
    (nn.Conv2d(3, 4, 3, padding=1), (3, 6, 5)),
    (nn.Conv2d(4, 6, 3, stride=2, groups=2), (4, 7, 7)),
    (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 5, 5)),
    (nn.Conv1d(2, 3, 4, dilation=2), (2, 11)),
    (nn.Conv3d(1, 2, 2), (1, 4, 3, 3)),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (4, 4, 4)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_the_operators_norm_is_that_of_its_matrix(layer: nn.Module, shape: tuple[int, ...]) -> None:
    exact = float(torch.linalg.svdvals(unrolled(layer, shape))[0])
    assert operator_norm(layer, shape) == pytest.approx(exact, rel=1e-9)


def test_under_circular_padding_it_is_the_largest_norm_over_frequencies() -> None:
    """Sedghi, Gupta and Long (2019): the Fourier transform of the kernel, channel by channel."""
    conv = nn.Conv2d(5, 8, 3, padding=1, padding_mode="circular", bias=False)
    transfer = torch.fft.fft2(conv.weight.detach().double(), s=(9, 12))
    exact = float(torch.linalg.svdvals(transfer.permute(2, 3, 0, 1)).max())
    assert operator_norm(conv, (5, 9, 12)) == pytest.approx(exact, rel=1e-9)


def test_spectral_norms_of_a_batch_of_matrices() -> None:
    weights = torch.randn(4, 3, 6, dtype=torch.float64)
    roots = torch.linalg.eigvalsh(weights @ weights.mT)[:, -1].sqrt()
    torch.testing.assert_close(spectral_norm(weights), roots)


def test_a_zero_layer_and_an_isometry() -> None:
    layer = nn.Linear(3, 3)
    nn.init.zeros_(layer.weight)
    assert operator_norm(layer, (3,)) == 0
    nn.init.orthogonal_(layer.weight)
    assert operator_norm(layer, (3,)) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 9), (9, 2), (6, 6)])
def test_o10_no_matrix_in_the_box_exceeds_the_bound_and_the_constant_attains_it(
    a: int, b: int
) -> None:
    volume = 0.3
    bound = norm_bound(volume, (a, b))
    random = volume * (2 * torch.rand(200, a, b, dtype=torch.float64) - 1)
    signs = volume * torch.randn(200, a, b, dtype=torch.float64).sign()
    assert float(spectral_norm(torch.cat([random, signs])).max()) <= bound * (1 + 1e-12)
    constant = torch.full((a, b), volume, dtype=torch.float64)
    assert float(spectral_norm(constant)) == pytest.approx(bound)
    assert bound <= volume * max(a, b)  # the paper's proposition 4.1


@pytest.mark.parametrize(
    ("kind", "settings", "groups"),
    [
        (nn.Conv2d, {"padding": 1}, 1),
        (nn.Conv2d, {"padding": 1, "padding_mode": "circular"}, 1),
        (nn.Conv2d, {"stride": 2}, 2),
        (nn.ConvTranspose2d, {}, 2),
    ],
)
def test_no_kernel_in_the_box_exceeds_the_bound_and_the_constant_comes_near(
    kind: Any, settings: dict[str, Any], groups: int
) -> None:
    conv, shape = kind(4, 6, 3, groups=groups, **settings), (4, 16, 16)
    bound = norm_bound(0.5, conv.weight.shape, groups)
    nn.init.uniform_(conv.weight, -0.5, 0.5)
    assert operator_norm(conv, shape) < bound
    nn.init.constant_(conv.weight, 0.5)
    assert operator_norm(conv, shape) <= bound * (1 + 1e-9)
    circular = kind is nn.Conv2d and settings.get("padding_mode") == "circular"
    assert not circular or operator_norm(conv, shape) == pytest.approx(bound)


def chain() -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.Tanh(), nn.Conv2d(4, 4, 2), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


def quotient(model: nn.Module, shape: tuple[int, ...]) -> float:
    """The largest stretch found: of the Jacobian at random points."""
    points = 3 * torch.randn(20, 1, *shape)
    slopes = [torch.autograd.functional.jacobian(model, point) for point in points]
    return max(
        float(torch.linalg.matrix_norm(j.flatten(1, -1).view(-1, math.prod(shape)), 2))
        for j in slopes
    )


def test_the_bound_of_a_chain_is_the_product_and_is_never_exceeded() -> None:
    model = chain()
    total = lipschitz_bound(model, (1, 7, 7))
    assert quotient(model, (1, 7, 7)) <= total
    shapes = {"0.0": (1, 7, 7), "0.2": (4, 3, 3), "2": (16,)}
    matrices = [unrolled(model.get_submodule(name), shape) for name, shape in shapes.items()]
    norms = [float(torch.linalg.svdvals(matrix)[0]) for matrix in matrices]
    assert total == pytest.approx(math.prod(norms))


def test_of_linear_layers_alone_the_bound_of_one_is_attained() -> None:
    layer = nn.Linear(6, 4)
    assert lipschitz_bound(layer, (6,)) == pytest.approx(quotient(layer, (6,)), rel=1e-5)


@pytest.mark.parametrize("alpha", [0.0, -0.5])
def test_o11_at_the_volume_lipschitz_training_ends_one_lipschitz(alpha: float) -> None:
    model = chain()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    attach(optimizer, model, "volumization", v=1.0, alpha=alpha, volume="lipschitz")
    x, y = torch.randn(32, 1, 7, 7), torch.randint(0, 5, (32,))
    for _ in range(20):
        optimizer.zero_grad()
        (30 * nn.functional.cross_entropy(model(x), y)).backward()
        optimizer.step()
    weights = [p.detach() for name, p in model.named_parameters() if name.endswith("weight")]
    bounds = [norm_bound(float(weight.abs().max()), weight.shape) for weight in weights]
    assert all(bound <= 1 + 1e-6 for bound in bounds)
    assert any(bound > 0.99 for bound in bounds), "some wall is reached"
    assert quotient(model, (1, 7, 7)) <= lipschitz_bound(model, (1, 7, 7)) <= 1


def test_volume_and_bound_are_inverse() -> None:
    assert one_lipschitz_volume((3, 12)) == pytest.approx(1 / 6)
    assert norm_bound(one_lipschitz_volume((8, 2, 3, 3), 2), (8, 2, 3, 3), 2) == pytest.approx(1)


def test_a_layer_without_a_known_bound_is_named() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2))
    with pytest.raises(RegsearchError, match=r"layer '1' is GELU.*ReLU"):
        lipschitz_bound(model, (3,))


def test_repeated_padding_has_no_bound_but_has_a_norm() -> None:
    conv = nn.Conv2d(1, 1, 3, padding=1, padding_mode="replicate")
    nn.init.constant_(conv.weight, 1.0)
    assert lipschitz_bound(conv, (1, 3, 3)) > norm_bound(1.0, conv.weight.shape)


def test_an_impossible_tolerance_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regsearch.theory.lipschitz.MAX_STEPS", 2)
    with pytest.raises(RegsearchError, match="not settled after 2 steps"):
        operator_norm(nn.Linear(9, 9), (9,))
