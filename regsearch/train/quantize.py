"""Weights made discrete between epochs, for the regularizers that ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from regsearch.cells import Tree
from regsearch.regularizers import REGULARIZERS, Hparams, Quantizer
from regsearch.space import Kind


class Quantization(NamedTuple):
    """A quantizer with the hyper-parameters and the plan of its regularizer."""

    quantizer: Quantizer
    hp: Hparams
    plan: Any

    @classmethod
    def of(
        cls, methods: Sequence[Kind], hps: Sequence[Hparams], plans: Sequence[Any]
    ) -> list[Quantization]:
        """Those of the regularizers that have one."""
        found = []
        for config, hp, plan in zip(methods, hps, plans, strict=True):
            quantizer = REGULARIZERS[config.kind].quantizer(config)
            if quantizer is not None:
                found.append(cls(quantizer, hp, plan))
        return found

    def weights(self, params: Tree) -> Tree:
        """The discrete weights that ``params`` stand for."""
        return self.quantizer.weights(params, self.hp, self.plan)

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Whether training goes on from the discrete weights after ``epoch`` (from 1)."""
        return epoch % self.quantizer.every == 0 or epoch == epochs


def quantized(params: Tree, quantizations: Sequence[Quantization]) -> Tree:
    """``params`` as all ``quantizations`` together make them."""
    for quantization in quantizations:
        params = quantization.weights(params)
    return params
