r"""How far a small change of an input can move the outputs, at test examples.

The local Lipschitz constant of the PathProx paper: the largest singular value
:math:`\lVert \partial f(x) / \partial x \rVert_2` of the logits' Jacobian, and its histogram over
the examples (figure 1b). The product of the layers' own norms bounds it everywhere
(:mod:`regsearch.theory.lipschitz`).
"""

from __future__ import annotations

import copy
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from regsearch.errors import RegsearchError, SpecError
from regsearch.metrics._base import (
    MEASUREMENTS,
    Measurement,
    MeasurementConfig,
    Outline,
    Quantity,
    Subject,
)
from regsearch.metrics._histogram import Histograms, count_values
from regsearch.metrics._inputs import (
    chunks,
    for_each_run,
    need_values,
    predict,
    pulled_back,
    sample,
    unit_vectors,
    with_gradient,
)
from regsearch.metrics._spectral import spectral_norms
from regsearch.theory.lipschitz import lipschitz_bound

BINS = 256
"""Of the histogram; they take little room beside the time that the constants take."""


class Lipschitz(MeasurementConfig):
    """Where it is measured, and whether the bound is, too."""

    kind: Literal["lipschitz"] = "lipschitz"
    samples: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="test examples, the same every time; null: all"),
    ] = 1000
    bound: Annotated[
        bool,
        Field(
            description="also the product of the layers' norms; the model must be a chain of "
            "linear and convolutional layers and activations"
        ),
    ] = False


def names(config: Lipschitz) -> list[str]:
    """Over the examples: median, 95th percentile, largest; and the bound."""
    found = ["lipschitz_median", "lipschitz_p95", "lipschitz_max"]
    return [*found, "lipschitz_bound"] if config.bound else found


def measure(subject: Subject, config: Lipschitz) -> dict[str, Tensor | Histograms]:
    """Statistics of the local constants, ``[K]`` each, at least 0; logits per unit of the input.

    And their histograms, ``lipschitz``.
    """
    values = local_constants(subject, config.samples)
    found: dict[str, Tensor | Histograms] = {
        "lipschitz_median": values.quantile(0.5, 1),
        "lipschitz_p95": values.quantile(0.95, 1),
        "lipschitz_max": values.amax(1),
    }
    if config.bound:
        found["lipschitz_bound"] = _bounds(subject)
    return found | {"lipschitz": count_values(values, BINS, signed=False)}


def local_constants(subject: Subject, samples: int | None = None) -> Tensor:
    """Largest singular value of the Jacobian at each test example, ``[K, samples]``."""
    chosen, parts = sample(len(subject.x_test), samples), []
    outputs = predict(subject, subject.x_test[:1]).shape[2]
    for part in chunks(chosen, subject.chunk // outputs, subject.x_test.device):
        x, logits = with_gradient(subject, for_each_run(subject, subject.x_test[part]))
        rows = torch.stack(list(pulled_back(logits, x, unit_vectors(logits))), 2)
        parts.append(spectral_norms(rows))
    return torch.cat(parts, 1)


def check(config: Lipschitz, outline: Outline) -> None:
    """Inputs must be values; for the bound the model must be a chain of known layers."""
    need_values("lipschitz", outline)
    if not config.bound:
        return
    zero = copy.deepcopy(outline.model).to_empty(device="cpu").eval()
    for tensor in (*zero.parameters(), *zero.buffers()):
        tensor.detach().zero_()
    try:
        lipschitz_bound(zero, outline.x.shape[1:])
    except RegsearchError as error:
        raise SpecError([f"lipschitz: {error}; or write bound: false"]) from None


def _bounds(subject: Subject) -> Tensor:
    shape, bounds = subject.x_train.shape[1:], []
    model = copy.deepcopy(subject.model).to_empty(device="cpu")
    for k in range(len(subject.seed)):
        bounds.append(lipschitz_bound(model, shape) if _filled(model, subject, k) else torch.nan)
    return torch.tensor(bounds, device=subject.x_test.device)


def _filled(model: nn.Module, subject: Subject, k: int) -> bool:
    """Give ``model`` the state of run ``k``; whether all of that is finite."""
    state = subject.params | subject.buffers
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        tensor.detach().copy_(state[name][k])
    return all(bool(tensor[k].isfinite().all()) for tensor in state.values())


MEASUREMENTS.add(
    "lipschitz",
    Measurement(
        config=Lipschitz,
        description="largest singular value of the Jacobian at test examples (PathProx paper)",
        names=names,
        measure=measure,
        quantities={
            "lipschitz_median": Quantity("median over examples", "logit per input", False),
            "lipschitz_p95": Quantity("95th percentile over examples", "logit per input", False),
            "lipschitz_max": Quantity("largest of the examples", "logit per input", False),
            "lipschitz_bound": Quantity("product of the layers' norms", "logit per input", False),
        },
        check=check,
    ),
)
