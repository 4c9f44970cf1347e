from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy.optimize import minimize_scalar

from regsearch.theory.teacher_student import (
    CONSTANT_ERROR,
    RIDGE_IS_BETTER_FROM,
    Noise,
    ridge_error,
    ridge_optimum,
    unregularized_error,
    volumized_error,
    volumized_optimum,
)

SIGMAS = [0.1, 0.5, 1.0, 1.3, 2.0, 3.0]


def uniform_by_quadrature(v: float, sigma: float) -> float:
    """Exact: between its kinks, the integrand over (u, eta) is a polynomial of degree 2."""
    nodes, weights = leggauss(4)

    def integral(low: float, high: float, f: Callable[[float], float]) -> float:
        x = (low + high) / 2 + (high - low) / 2 * nodes
        return (high - low) / 2 * sum(w * f(at) for w, at in zip(weights, x, strict=True))

    def pieces(low: float, high: float, kinks: list[float]) -> list[tuple[float, float]]:
        at = sorted({low, high, *(kink for kink in kinks if low < kink < high)})
        return list(pairwise(at))

    def over_shifts(u: float) -> float:
        def square(eta: float) -> float:
            return (min(max(u + eta, -v), v) - u) ** 2

        parts = pieces(-sigma, sigma, [v - u, -v - u])
        return sum(integral(*part, square) for part in parts) / (2 * sigma)

    kinks = [v - sigma, v + sigma, -v - sigma, -v + sigma]
    return sum(integral(*part, over_shifts) for part in pieces(-1, 1, kinks)) / 2


def cauchy_by_quadrature(v: float, sigma: float) -> float:
    """The inner mean over the shifts is elementary; the outer one over u is quadrature."""
    u, weights = leggauss(400)
    low, high = -v - u, v - u

    def below(x: np.ndarray) -> np.ndarray:
        return 0.5 + np.arctan(x / sigma) / np.pi

    def second_moment(x: np.ndarray) -> np.ndarray:
        return sigma / np.pi * (x - sigma * np.arctan(x / sigma))

    inside = second_moment(high) - second_moment(low)
    walls = (1 - below(high)) * (v - u) ** 2 + below(low) * (v + u) ** 2
    return float((weights * (inside + walls)).sum() / 2)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_uniform_error_is_the_integral_in_all_regimes(sigma: float) -> None:
    v = np.linspace(0, sigma + 1.2, 23)
    wanted = [uniform_by_quadrature(at, sigma) for at in v]
    np.testing.assert_allclose(volumized_error(v, sigma, "uniform"), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 5.0, 50.0])
def test_cauchy_error_is_the_integral(sigma: float) -> None:
    v = np.linspace(0, 4, 17)
    wanted = [cauchy_by_quadrature(at, sigma) for at in v]
    np.testing.assert_allclose(volumized_error(v, sigma, "cauchy"), wanted, rtol=0, atol=1e-11)


@pytest.mark.parametrize("noise", ["uniform", "cauchy"])
@pytest.mark.parametrize("sigma", [0.4, 1.7])
def test_errors_are_those_of_a_simulation(noise: Noise, sigma: float) -> None:
    draw = np.random.default_rng(0)
    u = draw.uniform(-1, 1, 400_000)
    eta = draw.uniform(-1, 1, u.size) if noise == "uniform" else draw.standard_cauchy(u.size)
    for v in (0.2, 0.7, 1.4):
        squares = (np.clip(u + sigma * eta, -v, v) - u) ** 2
        standard_error = squares.std() / np.sqrt(u.size)
        assert abs(squares.mean() - volumized_error(v, sigma, noise)) < 4 * standard_error


@pytest.mark.parametrize(
    ("sigma", "v", "error", "ridge", "none"),
    [
        (0.25, 0.875, 0.01864, 0.01961, 0.02083),
        (0.5, 0.75, 0.06576, 0.06667, 0.08333),
        (1, 0.5, 0.19271, 0.16667, 0.33333),
        (1.5, 0.2713, 0.27748, 0.23077, 0.75),
        (2, 0.1835, 0.30378, 0.26667, 1.33333),
    ],
)
def test_reference_values_of_uniform_shifts(
    sigma: float, v: float, error: float, ridge: float, none: float
) -> None:
    best = volumized_optimum(sigma, "uniform")
    assert best.at == pytest.approx(v, abs=5e-5)
    assert best.error == pytest.approx(error, abs=5e-6)
    assert ridge_optimum(sigma, "uniform").error == pytest.approx(ridge, abs=5e-6)
    assert ridge_optimum(sigma, "uniform").at == sigma**2
    assert unregularized_error(sigma, "uniform") == pytest.approx(none, abs=5e-6)


@pytest.mark.parametrize(
    ("sigma", "v", "error"),
    [
        (0.1, 0.656, 0.0909),
        (0.25, 0.486, 0.1730),
        (0.5, 0.335, 0.2450),
        (1, 0.198, 0.2985),
        (2, 0.104, 0.3229),
        (5, 0.042, 0.3316),
    ],
)
def test_reference_values_of_cauchy_shifts(sigma: float, v: float, error: float) -> None:
    best = volumized_optimum(sigma, "cauchy")
    assert best.at == pytest.approx(v, abs=6e-4)
    assert best.error == pytest.approx(error, abs=6e-5)
    assert best.error < CONSTANT_ERROR
    assert ridge_optimum(sigma, "cauchy").error == CONSTANT_ERROR
    assert ridge_error(3.0, sigma, "cauchy") == np.inf
    assert unregularized_error(sigma, "cauchy") == np.inf


@pytest.mark.parametrize("noise", ["uniform", "cauchy"])
@pytest.mark.parametrize("sigma", [0.1, 0.9, 4 / 3, 1.5, 6.0])
def test_no_box_is_better_than_the_best(noise: Noise, sigma: float) -> None:
    grid = np.linspace(0, 1 + sigma, 20_001)
    errors = volumized_error(grid, sigma, noise)
    best = volumized_optimum(sigma, noise)
    assert errors.min() == pytest.approx(float(best.error), abs=1e-7)
    assert best.error <= errors.min() + 1e-15
    found = minimize_scalar(
        lambda v: float(volumized_error(v, sigma, noise)), bounds=(0, 1), options={"xatol": 1e-10}
    )
    assert best.at == pytest.approx(found.x, abs=1e-6)


def test_equation_10_holds_beyond_sigma_1_and_not_beyond_4_thirds() -> None:
    def equation_10(sigma: float) -> float:
        return (1 - 27 * sigma / 64) * sigma**2 / 3

    for sigma in (0.3, 1.0, 1.2, 4 / 3):
        assert volumized_optimum(sigma, "uniform").error == pytest.approx(equation_10(sigma))
    assert equation_10(1.5) == pytest.approx(0.27539, abs=5e-6)
    assert volumized_optimum(1.5, "uniform").error == pytest.approx(0.27748, abs=5e-6)


def test_theorem_3_2_is_strict_inside_also_where_sigma_is_1() -> None:
    for sigma in (0.2, 0.7, 1.0):
        v = np.linspace(1 - sigma, 1 + sigma, 101)
        gain = unregularized_error(sigma, "uniform") - volumized_error(v, sigma, "uniform")
        assert (gain[1:-1] > 0).all()
        np.testing.assert_allclose(gain[[0, -1]], 0, atol=1e-15)
    best = volumized_optimum(1.0, "uniform").error
    assert best / unregularized_error(1.0, "uniform") == pytest.approx(37 / 64)


def test_volumization_beats_ridge_below_0_549_only() -> None:
    assert pytest.approx(0.549, abs=5e-4) == RIDGE_IS_BETTER_FROM
    for sigma in np.linspace(0.01, 3, 300):
        box, ridge = (best(sigma, "uniform") for best in (volumized_optimum, ridge_optimum))
        assert (box.error < ridge.error) == (sigma < RIDGE_IS_BETTER_FROM)


def test_ridge_is_best_at_its_optimum() -> None:
    decay = np.linspace(0, 10, 10_001)
    for sigma in (0.3, 1.0, 2.5):
        errors = ridge_error(decay, sigma, "uniform")
        assert decay[errors.argmin()] == pytest.approx(sigma**2, abs=1e-3)
        assert errors.min() == pytest.approx(float(ridge_optimum(sigma, "uniform").error))


@pytest.mark.parametrize("noise", ["uniform", "cauchy"])
def test_limits_of_the_box_and_of_the_noise(noise: Noise) -> None:
    np.testing.assert_allclose(volumized_error(0, [0.1, 1, 9], noise), CONSTANT_ERROR)
    v = np.array([0, 0.25, 0.5, 1, 2])
    np.testing.assert_allclose(
        volumized_error(v, 0, noise), np.maximum(1 - v, 0) ** 3 / 3, atol=1e-15
    )
    assert volumized_optimum(0, noise).at == pytest.approx(1)
    assert volumized_optimum(1e4, noise).error == pytest.approx(CONSTANT_ERROR)
    assert volumized_error(1e6, 0.5, "uniform") == pytest.approx(0.25 / 3)


def test_arguments_broadcast() -> None:
    v, sigma = np.linspace(0, 2, 5), np.array(SIGMAS)[:, None]
    table = volumized_error(v, sigma, "uniform")
    assert table.shape == (6, 5)
    assert table[2, 3] == volumized_error(v[3], SIGMAS[2], "uniform")
    assert volumized_optimum(SIGMAS, "cauchy").at.shape == (6,)


def test_negative_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        volumized_error([0.5, -0.1], 1.0, "uniform")
    with pytest.raises(ValueError, match="at least 0"):
        ridge_optimum(-1.0, "cauchy")
