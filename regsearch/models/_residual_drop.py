"""Where dropout and DropBlock go in a residual network."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from regsearch.models.dropout import DropBlock, Dropout, Rate

Drop = Annotated[
    Literal["none", "dropout", "dropblock"],
    Field(
        description="dropout: inputs of the last layer; dropblock: squares of the feature maps in "
        "the last two stages"
    ),
]
DropRate = Annotated[Rate, Field(description="share that drop drops")]
BlockSize = Annotated[int, Field(ge=1, le=1000, description="side of dropblock's squares, pixels")]


def add_drop(network: nn.Module, drop: Drop, rate: float, block_size: int) -> nn.Module:
    """``network``, built as torchvision's ``ResNet`` of blocks, with ``drop`` put in.

    DropBlock acts behind every batch norm of the stages ``layer3`` and ``layer4``, which is as good
    as behind the ReLU, and on their shortcuts, as its authors place it; the rate does not grow
    while training, as theirs does.
    """
    model: Any = network
    if drop == "dropout":
        model.fc = nn.Sequential(Dropout(rate), model.fc)
    if drop == "dropblock":
        for block in (*model.layer3, *model.layer4):
            for name, layer in list(block.named_children()):
                if isinstance(layer, nn.BatchNorm2d):
                    setattr(block, name, nn.Sequential(layer, DropBlock(rate, block_size)))
            block.downsample = nn.Sequential(*(block.downsample or ()), DropBlock(rate, block_size))
    return network
