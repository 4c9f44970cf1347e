"""What a model is: a config and a function that builds one ordinary ``nn.Module``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from regsearch.registry import Registry
from regsearch.space import Kind


class Model(NamedTuple):
    """``build(config, input_shape, classes)`` makes the module, initialised from torch's RNG."""

    config: type[Kind]
    description: str
    build: Callable[[Any, tuple[int, ...], int], nn.Module]


MODELS: Registry[Model] = Registry("model")
