"""How the kernels of convolutions lie in memory: a matter of speed, not of what is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from regsearch.cells import Tree


def lay_out(weights: Tree, device: torch.device) -> Tree:
    """``weights`` as ``device`` computes fastest with them, ``[K, ...]`` each.

    On a CPU that is torch's default: channels last gain nothing there (ResNet-18 in fp32 on an
    AVX2 EPYC: 1.0 to 1.1 times the speed), and torch 2.15 writes past the end of its memory in the
    backward pass of a convolution of 1x1 from two channels with stride 2.
    """
    return weights if device.type == "cpu" else channels_last(weights)


def channels_last(weights: Tree) -> Tree:
    """The same values, the kernels ``[1, out, in, h, w]`` of a single run with channels last.

    Whatever such a kernel puts out has its layout, so that images need none. Under vmap there is no
    such layout: the weights of several runs are left as they are.
    """
    return {
        name: _kernel(weight) if weight.ndim == 5 and len(weight) == 1 else weight
        for name, weight in weights.items()
    }


def _kernel(weight: Tensor) -> Tensor:
    return weight[0].contiguous(memory_format=torch.channels_last)[None]
