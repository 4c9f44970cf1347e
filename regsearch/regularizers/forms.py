"""Four ways to tell the scale of a layer's weights from their direction."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

FormName = Annotated[
    Literal["ws", "wn", "norm", "centred"],
    Field(
        description="scale of each row about its mean (ws) or 0 (wn), of the whole tensor about "
        "its mean (centred) or 0 (norm); a row feeds one unit"
    ),
]


class Form(NamedTuple):
    """What shares one scale, and whether its mean is taken off first."""

    rows: bool
    centred: bool
    simpler: str | None

    def axes(self, weight: Tensor, lead: int = 0) -> tuple[int, ...]:
        """Axes of the weights that share a scale; ``lead`` axes come before the layer's own."""
        return tuple(range(lead + self.rows, weight.ndim))

    def direction(self, weight: Tensor, axes: tuple[int, ...]) -> Tensor:
        """The weights, less their mean over ``axes`` where the form is centred."""
        return weight - weight.mean(axes, keepdim=True) if self.centred else weight

    def freedom(self, weight: Tensor) -> int:
        """In how many dimensions a direction can turn: none, and nothing could be learnt."""
        together = weight[0].numel() if self.rows else weight.numel()
        return together - (2 if self.centred else 1)


FORMS = {
    "ws": Form(rows=True, centred=True, simpler="wn"),
    "wn": Form(rows=True, centred=False, simpler="norm"),
    "centred": Form(rows=False, centred=True, simpler="norm"),
    "norm": Form(rows=False, centred=False, simpler=None),
}


def fitting_form(name: str | None, weight: Tensor) -> Form | None:
    """The form called ``name``, or the first simpler one that leaves ``weight`` some freedom.

    A standardised row of two weights is (1, -1) or (-1, 1), and a normalised row of one is 1 or
    -1, whatever they learn. ``None``: a single weight has a scale and nothing else.
    """
    while name is not None:
        if FORMS[name].freedom(weight) > 0:
            return FORMS[name]
        name = FORMS[name].simpler
    return None


def norms(direction: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Euclidean norm over ``axes``, which stay with length 1."""
    return torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
