r"""Random numbers as a pure function of run, step, stream and element, in plain tensor arithmetic.

A run draws the same numbers in any pack, on any device, eager or compiled, resumed or not: to the
bit as integers, to rounding after the logarithm and the cosine.

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014): its output at place i, :math:`\operatorname{mix}(i\gamma)`, needs none of
those before it. Run and stream name a place; the output there, plus the step, names another; the
output there is where the elements of the draw begin. Two draws of n elements overlap with a
probability of about :math:`2n / 2^{64}`.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor


def _signed(word: int) -> int:
    """The 64 bits of ``word`` as torch has them, in two's complement."""
    return word - (1 << 64) if word >> 63 else word


_GAMMA = _signed(0x9E3779B97F4A7C15)
_MIX1 = _signed(0xBF58476D1CE4E5B9)
_MIX2 = _signed(0x94D049BB133111EB)


def normal(seed: Tensor, step: Tensor, stream: str, like: Tensor) -> Tensor:
    """Independent N(0, 1), in the shape and dtype of ``like``, ``[K, ...]``.

    By Box and Muller, with 32 bits for the radius and 32 for the angle: at most 6.8 in size.

    Args:
        seed: of the runs, int64, ``[K]``.
        step: int64, a scalar or ``[K]``.
        stream: what the numbers are for; streams are independent.
        like: its i-th element of run k follows from ``seed[k]``, ``step``, ``stream`` and i.
    """
    bits, dtype = _bits(seed, step, stream, like), _dtype(like)
    radius = _logical_shift(bits, 32).to(dtype).add_(0.5).mul_(2.0**-32).log_().mul_(-2).sqrt_()
    angle = (bits & 0xFFFFFFFF).to(dtype).mul_(2 * math.pi * 2.0**-32)
    return radius.mul_(angle.cos_()).to(like.dtype)


def uniform(seed: Tensor, step: Tensor, stream: str, like: Tensor) -> Tensor:
    """Independent and uniform in (0, 1), never either end; arguments as in ``normal``.

    Midpoints of equal parts: 2 to the power 23 of them in float32, 52 in float64.
    """
    dtype = _dtype(like)
    parts = 52 if dtype == torch.float64 else 23
    bits = _logical_shift(_bits(seed, step, stream, like), 64 - parts)
    return bits.to(dtype).add_(0.5).mul_(2.0**-parts).to(like.dtype)


def _bits(seed: Tensor, step: Tensor, stream: str, like: Tensor) -> Tensor:
    """64 random bits for every element of ``like``, int64."""
    first = _output(_output(seed + _start(stream)) + step)
    element = torch.arange(math.prod(like.shape[1:]), device=like.device)
    return _output(first[:, None] + element).view(like.shape)


def _output(place: Tensor) -> Tensor:
    """The output of SplitMix64, seeded with 0, at every ``place`` from 1; products wrap around.

    ``place`` must not be a bare ``arange``: inductor would compute its product as an index, whose
    overflow is undefined in C++.
    """
    z = place * _GAMMA
    z = (z ^ _logical_shift(z, 30)) * _MIX1
    z = (z ^ _logical_shift(z, 27)) * _MIX2
    return z ^ _logical_shift(z, 31)


def _logical_shift(word: Tensor, places: int) -> Tensor:
    """To the right with zeros coming in; torch's own shift copies the sign."""
    return (word >> places) & ((1 << (64 - places)) - 1)


def _dtype(like: Tensor) -> torch.dtype:
    return torch.float64 if like.dtype == torch.float64 else torch.float32


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _start(stream: str) -> int:
    """Where ``stream`` starts, the same in every process: 64 bits of the SHA-256 of its name."""
    return int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "little", signed=True)
