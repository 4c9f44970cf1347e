r"""Spectral norms, and the Lipschitz bounds that a box for the weights implies.

Section 4 of the volumization paper, with the constant :math:`\sqrt{ab}` for its
:math:`\max(a, b)`. The volume ``lipschitz`` of the regularizer ``volumization`` trains under these
bounds. That of a trained model::

    from regsearch.theory.lipschitz import lipschitz_bound

    lipschitz_bound(model, (1, 28, 28))
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from regsearch.errors import RegsearchError

LINEAR = (nn.Linear, _ConvNd)
"""Layers whose norm counts."""

NOT_EXPANDING = (
    nn.ReLU,
    nn.ReLU6,
    nn.Hardtanh,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
    nn.Softsign,
    nn.Flatten,
    nn.Unflatten,
    nn.Identity,
    nn.Dropout,  # of a model in use, where it does nothing
)
"""Layers that bring no two inputs farther apart."""

MAX_STEPS = 1_000


def spectral_norm(weight: Tensor) -> Tensor:
    r"""Largest singular value :math:`\|W\|_2` of matrices ``[..., a, b]``; exact, by SVD."""
    return torch.linalg.matrix_norm(weight, 2)


def operator_norm(layer: nn.Module, input_shape: Sequence[int], tolerance: float = 1e-8) -> float:
    r"""Largest singular value of an affine ``layer`` on inputs ``[*input_shape]``.

    Power iteration on :math:`A^\top A` in float64, sped up by Lanczos' method; autograd applies
    :math:`A^\top` (for a convolution the transposed one), so that stride, padding and groups count
    as they are. It ends when :math:`\|A^\top A x - \sigma^2 x\| \le` ``tolerance``
    :math:`\sigma^2` for a unit :math:`x`; :math:`\sigma` comes from below and is nearer than that.
    A bias moves all outputs alike and does not count.

    Raises:
        RegsearchError: no end after 1,000 steps.
    """
    layer = copy.deepcopy(layer).double().eval()
    at_zero = layer(torch.zeros(1, *input_shape, dtype=torch.float64))

    def apply(x: Tensor) -> Tensor:
        return layer(x) - at_zero

    start = torch.randn(
        1, *input_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        return _largest_singular_value(apply, start, tolerance)


def norm_bound(volume: float, shape: Sequence[int], groups: int = 1) -> float:
    r"""Upper bound of the norm of a layer whose weights are at most ``volume`` in size.

    .. math:: \|W\|_2 \le V \sqrt{ab} \le V \max(a, b), \qquad
        \|\mathrm{conv}\|_2 \le V k_h k_w \sqrt{C_{out} C_{in} / \mathrm{groups}^2}

    Args:
        volume: V, at least 0.
        shape: of the weight, ``[a, b]`` or ``[C_out, C_in / groups, ...]`` (transposed
            convolutions: the other way round), with any stride and zero or circular padding.
        groups: of a convolution.

    The constant matrix attains :math:`V\sqrt{ab}`; the paper's proposition 4.1 has the larger
    :math:`V\max(a, b)`.
    """
    outputs, inputs, *kernel = shape
    return volume * math.prod(kernel) * math.sqrt(outputs * inputs / groups)


def one_lipschitz_volume(shape: Sequence[int], groups: int = 1) -> float:
    """The largest volume at which ``norm_bound`` is 1.

    With it in every layer, ``alpha`` at most 0 and activations that do not expand, the network is
    1-Lipschitz in the 2-norm (proposition 4.2, which has the smaller 1 / max(a, b)). A negative
    ``alpha`` keeps to the box unless one step leads beyond three times its half-width.
    """
    return 1 / norm_bound(1.0, shape, groups)


def lipschitz_bound(model: nn.Module, input_shape: Sequence[int]) -> float:
    r"""Upper bound :math:`\prod_l \|W_l\|_2` of the Lipschitz constant in the 2-norm.

    ``model`` is a chain (``nn.Sequential``, also nested) of linear and convolutional layers with
    activations that do not expand between; ``input_shape`` is that of one example.

    Raises:
        RegsearchError: it is no such chain; the message names the layer.
    """
    layers = _linear_layers(model, input_shape)
    return math.prod(_norm(layer, shape) for layer, shape in layers)


def _norm(layer: nn.Module, shape: Sequence[int]) -> float:
    if isinstance(layer, nn.Linear):
        return float(spectral_norm(layer.weight.detach().double()))
    return operator_norm(layer, shape)


def _largest_singular_value(
    apply: Callable[[Tensor], Tensor], start: Tensor, tolerance: float
) -> float:
    """Lanczos: power iteration on the span of all its steps, kept orthogonal to rounding."""
    steps = (start / start.norm()).view(1, -1)
    small = start.new_zeros(MAX_STEPS, MAX_STEPS)  # the operator on that span
    for k in range(MAX_STEPS):
        image, pull_back, *_ = torch.func.vjp(apply, steps[k].view_as(start))
        rest = pull_back(image)[0].flatten()
        small[k, : k + 1] = small[: k + 1, k] = steps @ rest
        for _ in range(2):  # once leaves rounding errors that grow
            rest = rest - (steps @ rest) @ steps
        values, vectors = torch.linalg.eigh(small[: k + 1, : k + 1])
        if rest.norm() * vectors[-1, -1].abs() <= tolerance * values[-1]:
            return math.sqrt(max(0.0, float(values[-1])))
        steps = torch.cat([steps, rest[None] / rest.norm()])
    raise RegsearchError(
        f"the norm of a layer is not settled after {MAX_STEPS} steps; allow a larger tolerance "
        f"than {tolerance:g}"
    )


def _linear_layers(
    model: nn.Module, input_shape: Sequence[int]
) -> Iterator[tuple[nn.Module, tuple[int, ...]]]:
    """Each layer and the shape of its input, in the order in which they act."""
    x = torch.zeros(1, *input_shape, dtype=torch.float64)
    for name, layer in _chain(copy.deepcopy(model).double().eval()):
        if isinstance(layer, LINEAR):
            yield layer, tuple(x.shape[1:])
        elif not isinstance(layer, NOT_EXPANDING):
            raise RegsearchError(
                f"layer {name!r} is {type(layer).__name__}, for which no bound is known "
                f"here; known are linear and convolutional layers in nn.Sequential, and "
                f"{', '.join(known.__name__ for known in NOT_EXPANDING)}"
            )
        with torch.no_grad():
            x = layer(x)


def _chain(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    if type(model).forward is not nn.Sequential.forward:
        yield prefix, model
        return
    for name, child in model.named_children():
        yield from _chain(child, f"{prefix}.{name}".lstrip("."))
