r"""Linear student of a shifted teacher: the error of volumization, ridge and no regularization.

A teacher has weights :math:`u \sim U(-1, 1)`; the data that a student sees have it at
:math:`u' = u + \eta`, the shift :math:`\eta \sim U(-\sigma, \sigma)` or
:math:`\eta \sim \sigma \cdot \mathrm{Cauchy}(0, 1)`. Volumization with a hard wall (alpha = 0) and
white inputs learns :math:`w = \operatorname{clip}(u', -V, V)`. Every function here gives a mean
error per weight, :math:`E\,(w - u)^2`; V and sigma are in units of the teacher's half-width.

Source: the volumization paper, section 3, whose errors per weight lack a factor 1/3 in equation
14. Equation 10 holds up to sigma = 4/3; the optimum beyond it, the whole Cauchy case and the point
at which ridge becomes better are worked out here.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Noise = Literal["uniform", "cauchy"]
Array = NDArray[np.float64]

CONSTANT_ERROR = 1 / 3
"""Of the model that is always 0: the variance of the teacher's weights."""

RIDGE_IS_BETTER_FROM = (32 - math.sqrt(295)) / 27
r"""Uniform shifts: the root 0.549 of :math:`27\sigma^2 - 64\sigma + 27 = 0`.

Up to it the best volumization beats the best ridge, beyond it ridge wins."""


class Optimum(NamedTuple):
    """Where the error is smallest, and how small it is there."""

    at: Array  # the half-width V of the box, or the ridge coefficient
    error: Array


def volumized_error(v: ArrayLike, sigma: ArrayLike, noise: Noise) -> Array:
    """Error of a box of half-width ``v``, at least 0; arguments broadcast.

    Raises:
        ValueError: ``v`` or ``sigma`` is negative.
    """
    return (_uniform_error if noise == "uniform" else _cauchy_error)(*_checked(v, sigma))


def volumized_optimum(sigma: ArrayLike, noise: Noise) -> Optimum:
    r"""The best box. It is smaller than the teacher's, and shrinks as the shifts grow.

    Uniform shifts (equation 10 up to :math:`\sigma = 4/3`, where the branches meet smoothly):

    .. math::
        \sigma \le \tfrac43:\; V^* = 1 - \tfrac\sigma2,\;
            E^* = \bigl(1 - \tfrac{27}{64}\sigma\bigr) \tfrac{\sigma^2}3
        \qquad
        \sigma > \tfrac43:\; V^* = \tfrac12 \bigl(\sigma - \sqrt{\sigma^2 - \tfrac43}\bigr)

    Cauchy shifts: the one root of the derivative, to rounding.

    Raises:
        ValueError: ``sigma`` is negative.
    """
    (sigma,) = _checked(sigma)
    at = _uniform_best_v(sigma) if noise == "uniform" else _cauchy_best_v(sigma)
    return Optimum(at, volumized_error(at, sigma, noise))


def ridge_error(decay: ArrayLike, sigma: ArrayLike, noise: Noise) -> Array:
    r"""Error of L2 with coefficient ``decay`` at convergence; infinite for Cauchy shifts.

    .. math::
        w = \frac{u'}{1 + \lambda}, \qquad E = \frac{\lambda^2 + \sigma^2}{3 (1 + \lambda)^2}

    Raises:
        ValueError: ``decay`` or ``sigma`` is negative.
    """
    decay, sigma = _checked(decay, sigma)
    kept = 1 / (1 + decay)
    return (1 - kept) ** 2 / 3 + _noise_error(kept * sigma, noise)


def ridge_optimum(sigma: ArrayLike, noise: Noise) -> Optimum:
    r"""The best ridge (theorem 3.3): coefficient :math:`\sigma^2`, error below.

    .. math:: E^* = \frac{\sigma^2}{3 (\sigma^2 + 1)}

    A gradient step of size ``lr`` shrinks weights by ``lr`` times the coefficient; the paper's
    :math:`1 - \alpha = \sigma^2` lacks that factor. Under Cauchy shifts the best ridge is the
    constant model, an infinite coefficient.

    Raises:
        ValueError: ``sigma`` is negative.
    """
    (sigma,) = _checked(sigma)
    at = sigma**2 if noise == "uniform" else np.where(sigma > 0, np.inf, 0.0)
    return Optimum(at, ridge_error(at, sigma, noise))


def unregularized_error(sigma: ArrayLike, noise: Noise) -> Array:
    r"""Error of :math:`w = u'`: the variance of the shifts, infinite if they are Cauchy.

    Raises:
        ValueError: ``sigma`` is negative.
    """
    return ridge_error(0.0, sigma, noise)


def _noise_error(scale: Array, noise: Noise) -> Array:
    return scale**2 / 3 if noise == "uniform" else np.where(scale > 0, np.inf, 0.0)


def _uniform_error(v: Array, sigma: Array) -> Array:
    """Four polynomials in V, which meet at ``|1 - sigma|`` and ``1 + sigma``."""
    v, sigma = np.broadcast_arrays(v, sigma)
    y, some = np.clip(v - 1, -sigma, sigma), np.where(sigma > 0, sigma, 1)
    return np.select(
        [v >= 1 + sigma, v <= 1 - sigma, v <= sigma - 1],
        [
            sigma**2 / 3,
            (v * sigma**2 + (1 - v) ** 3) / 3,
            v**2 + 1 / 3 - 2 * (v**3 + v) / (3 * np.maximum(sigma, 1)),
        ],
        sigma**2 / 3 + (y - sigma) ** 3 * (y + sigma) / (12 * some),
    )


def _uniform_best_v(sigma: Array) -> Array:
    root = np.sqrt(np.maximum(sigma**2 - 4 / 3, 0))
    beyond = 2 / 3 / np.maximum(sigma + root, 1)  # without the difference of two near numbers
    return np.where(sigma <= 4 / 3, 1 - sigma / 2, beyond)


def _cauchy_error(v: Array, sigma: Array) -> Array:
    r""":math:`E = 2 [J(V+1) - J(V-1)]`: the derivative below, integrated from E(0) = 1/3.

    .. math::
        J(x) = \frac{x^3}{12} - \frac1{2\pi} \Bigl[ \bigl(\tfrac{x^3}3 + \sigma^2 x\bigr)
            \arctan\frac x\sigma - \tfrac23 \sigma x^2 - \tfrac{\sigma^3}3 \ln(x^2 + \sigma^2)
        \Bigr]
    """

    def without_log(x: Array) -> Array:
        turn = (x**3 / 3 + sigma**2 * x) * np.arctan2(x, sigma)
        return x**3 / 12 - (turn - sigma * x**2 * 2 / 3) / (2 * np.pi)

    nearest = np.maximum((v - 1) ** 2 + sigma**2, 1e-300)
    logarithm = np.log1p(4 * v / nearest)  # of the ratio of both arguments
    return 2 * (without_log(v + 1) - without_log(v - 1) + sigma**3 / (6 * np.pi) * logarithm)


def _cauchy_slope(v: Array, sigma: Array) -> Array:
    r""":math:`E'(V) = 2 [H(V+1) - H(V-1)]`, from :math:`E' = 4\, E_u [P(\eta > V-u) (V-u)]`.

    .. math::
        H(x) = \frac{x^2}4 - \frac{(x^2 + \sigma^2) \arctan(x/\sigma) - \sigma x}{2\pi}
    """

    def primitive(x: Array) -> Array:
        turn = (x**2 + sigma**2) * np.arctan2(x, sigma) - sigma * x
        return x**2 / 4 - turn / (2 * np.pi)

    return 2 * (primitive(v + 1) - primitive(v - 1))


def _cauchy_best_v(sigma: Array) -> Array:
    """Bisection: the slope is negative at 0 and positive at 1."""
    low, high = np.zeros_like(sigma), np.ones_like(sigma)
    for _ in range(60):
        middle = (low + high) / 2
        rising = _cauchy_slope(middle, sigma) > 0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    return high


def _checked(*values: ArrayLike) -> tuple[Array, ...]:
    arrays = tuple(np.asarray(value, dtype=np.float64) for value in values)
    if any((array < 0).any() for array in arrays):
        raise ValueError(f"needs values of at least 0, got {values}")
    return arrays
