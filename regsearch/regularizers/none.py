"""No regularizer: the baseline that every comparison needs."""

from __future__ import annotations

from typing import Literal

from regsearch.regularizers._base import REGULARIZERS, Regularizer
from regsearch.space import Kind


class NoRegularizer(Kind):
    """Leaves training as it is."""

    kind: Literal["none"] = "none"


REGULARIZERS.add("none", Regularizer(config=NoRegularizer, description="no regularizer"))
