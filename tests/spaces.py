"""Search spaces from the words of a file."""

from __future__ import annotations

from typing import Any

from regsearch.regularizers import REGULARIZERS
from regsearch.study.domains import searched
from regsearch.study.search.space import Space

Entry = dict[str, Any] | list[dict[str, Any]]


def space_of(*entries: Entry) -> Space:
    """A space of these entries; one that is a list is applied together."""
    groups = [entry if isinstance(entry, list) else [entry] for entry in entries]
    return Space(
        [
            [searched(REGULARIZERS[each["kind"]].config).model_validate(each) for each in group]
            for group in groups
        ]
    )


PLANE = {"kind": "volumization", "v": {"uniform": [0, 4]}, "alpha": {"uniform": [-1, 1]}}
SMALL = {"kind": "volumization", "v": [0.5, 1.0, 2.0], "alpha": {"quniform": [-1, 1, 1]}}
DECAY = {"kind": "weight_decay", "decay": {"loguniform": [1e-5, 1e-1]}}
NONE = {"kind": "none"}
