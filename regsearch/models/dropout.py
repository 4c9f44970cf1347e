r"""Dropout whose random numbers belong to the run rather than to torch's global stream.

``torch.nn.Dropout`` draws for a whole pack at once, so that a run's numbers depend on its
neighbours. Here the seed is drawn when the model is built, from torch's RNG as its weights are, and
each forward pass in training counts one up; both are buffers, so a pack holds them run by run and a
checkpoint saves them. The rate is a buffer as well: it may differ from run to run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from regsearch.draws import uniform
from regsearch.space import Real

Rate = Annotated[Real, Field(ge=0, lt=1)]
"""Probability of being dropped: data of each run, so that rates can share a pack."""


class _Random(nn.Module):
    """Draws of its own: the same for the same seed and count of training passes."""

    p: Tensor
    seed: Tensor
    calls: Tensor
    positively_homogeneous: ClassVar[bool] = True

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"needs a probability of 0 or more and below 1, got {p}")
        self.register_buffer("p", torch.tensor(float(p)))
        self.register_buffer("seed", torch.randint(2**62, ()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def draw(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """New numbers, uniform in (0, 1), of this shape and at least 32 bits."""
        self.calls.add_(1)
        dtype = torch.promote_types(x.dtype, torch.float32)
        like = torch.empty((1, *shape), device=x.device, dtype=dtype)
        return uniform(self.seed[None], self.calls, "dropout", like)[0]


class Dropout(_Random):
    r"""Zeros entries with probability p and divides the others by :math:`1 - p`.

    ``axes`` says what is dropped as one: ``None``, each entry; 2, whole channels (torch's
    ``Dropout2d``); 1, whole examples (stochastic depth); 0, the whole batch. In evaluation, and
    with p = 0, the input comes out as it went in.
    """

    def __init__(self, p: float, axes: int | None = None) -> None:
        super().__init__(p)
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """``[N, ...]`` to the same shape and dtype."""
        if not self.training:
            return x
        axes = x.ndim if self.axes is None else self.axes
        shape = (*x.shape[:axes], *[1] * (x.ndim - axes))
        kept = (self.draw(x, shape) >= self.p) / (1 - self.p)
        return x * kept.to(x.dtype)


class DropBlock(_Random):
    r"""Zeros squares of neighbouring pixels, channel by channel (Ghiasi, Lin and Le, 2018).

    Each of the places where a square of side b fits into ``[h, w]`` is the corner of a dropped one
    with probability

    .. math:: \gamma = \frac{p}{b^2} \cdot \frac{h w}{(h - b + 1)(w - b + 1)},

    so that about the share p is dropped (equation 1; overlaps make it a little less). What is kept
    is divided by its share of the batch. Squares larger than the image are cut to its side.
    """

    def __init__(self, p: float, block_size: int = 7) -> None:
        super().__init__(p)
        self.block_size = block_size

    def forward(self, x: Tensor) -> Tensor:
        """``[N, c, h, w]`` to the same shape and dtype."""
        if not self.training:
            return x
        count, channels, high, wide = x.shape
        side = min(self.block_size, high, wide)
        places = high - side + 1, wide - side + 1
        gamma = self.p * (high * wide / (side**2 * places[0] * places[1]))
        corners = (self.draw(x, (count, channels, *places)) < gamma).to(self.p.dtype)
        dropped = F.max_pool2d(F.pad(corners, [side - 1] * 4), side, stride=1)
        entries = dropped.numel()
        scale = entries / (entries - dropped.sum()).clamp_min(1)
        return x * ((1 - dropped) * scale).to(x.dtype)


def own_dropout(model: nn.Module) -> nn.Module:
    """``model`` with every dropout layer of torch's inside it replaced by its like of ours."""

    def ours(layer: nn.Module) -> nn.Module:
        if isinstance(layer, nn.Dropout):
            return Dropout(layer.p)
        if isinstance(layer, nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            return Dropout(layer.p, axes=2)
        return layer

    return replace_layers(model, ours)


def replace_layers(model: nn.Module, by: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """``model`` with every layer inside it replaced by what ``by`` makes of it."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            setattr(parent, name, by(layer))
    return model
