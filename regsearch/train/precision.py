"""What a forward pass in bf16 needs."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def keep_norms_in_fp32(model: nn.Module) -> nn.Module:
    """Let every batch norm of ``model`` see fp32: under vmap it takes no mix of fp32 and bf16."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.register_forward_pre_hook(_in_fp32)
    return model


def _in_fp32(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(x.float() if isinstance(x, Tensor) else x for x in inputs)
