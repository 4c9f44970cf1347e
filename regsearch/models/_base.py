"""What a model is: a config and a function that builds one ordinary ``nn.Module``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from regsearch.registry import Registry
from regsearch.space import Kind


class Words(NamedTuple):
    """What a data set of texts knows of its words, which its examples hold as numbers."""

    number: int  # of words; an example holds numbers below it
    vectors: Tensor | None  # [number, D]


class Model(NamedTuple):
    """``build(config, input_shape, classes)`` makes the module, initialised from torch's RNG.

    What is random while it trains belongs to the run: see ``dropout``. A model of texts gets its
    data set's words by ``embed(model, config, words)``.
    """

    config: type[Kind]
    description: str
    build: Callable[[Any, tuple[int, ...], int], nn.Module]
    compiles: bool = True  # False: a step is a program of thousands of operations
    embed: Callable[[nn.Module, Any, Words], None] | None = None


MODELS: Registry[Model] = Registry("model")
