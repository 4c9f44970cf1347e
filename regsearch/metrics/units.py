"""How many homogeneous units are at work, and how large their path norms are."""

from __future__ import annotations

import torch
from torch import Tensor

from regsearch.metrics._base import METRICS, Metric, Observed
from regsearch.units import norms


def active_units(seen: Observed) -> Tensor:
    r"""Share of units with path norm above 0, ``[K]``, a fraction in [0, 1].

    Above 0 exactly: both :math:`\lVert w_i \rVert` and :math:`\lVert v_i \rVert` are. Weight decay
    keeps every unit active; proximal steps and pruning do not.
    """
    active = [(incoming > 0) & (outgoing > 0) for incoming, outgoing in _norms(seen)]
    return torch.cat(active, 1).float().mean(1)


def path_norm(seen: Observed) -> Tensor:
    r"""Sum over all units, :math:`\sum_g \sum_i \lVert w_i \rVert \lVert v_i \rVert`, ``[K]``.

    It does not change when a unit's weights are rescaled against each other.
    """
    sums = [(incoming * outgoing).sum(1) for incoming, outgoing in _norms(seen)]
    return torch.stack(sums).sum(0)


def _norms(seen: Observed) -> list[tuple[Tensor, Tensor]]:
    if not seen.groups:
        raise ValueError("the model has no homogeneous units")
    names = {name for group in seen.groups for name in (group.first, group.second)}
    params = {name: seen.params[name].float() for name in names}
    return [norms(params, group) for group in seen.groups]


METRICS.add(
    "active_units",
    Metric("units with a path norm above 0", "fraction", False, "units", active_units),
)
METRICS.add("path_norm", Metric("sum of path norms", "weight squared", False, "units", path_norm))
