"""Networks for ImageNet, from torchvision: ResNet, ResNeXt, SE-ResNet, DenseNet, EfficientNet.

Those of the equal norm constraint's tables and of the volumization paper's transfer experiments.
"""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from pickle import UnpicklingError
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from regsearch.errors import DataError, SpecError
from regsearch.models._base import MODELS, Model
from regsearch.models._images import check_images
from regsearch.models._residual_drop import BlockSize, Drop, DropRate, add_drop
from regsearch.models.dropout import Dropout, own_dropout, replace_layers
from regsearch.space import Kind

CLASSES = 1000

Architecture = Literal[
    "resnet50",
    "resnet101",
    "resnext50_32x4d",
    "resnext101_32x4d",
    "se_resnet50",
    "se_resnet101",
    "densenet201",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
]

RESIDUAL = ("resnet", "resnext", "se_resnet")
WITHOUT_WEIGHTS = {"resnext101_32x4d", "se_resnet50", "se_resnet101"}
"""What torchvision has no trained weights for."""


class Imagenet(Kind):
    """Architecture, where its weights start, and its head."""

    kind: Literal["imagenet"] = "imagenet"
    architecture: Annotated[
        Architecture, Field(description="which network, by torchvision's name or se_resnet*")
    ] = "resnet50"
    pretrained: Annotated[
        bool,
        Field(description="start from torchvision's first ImageNet weights, downloaded if absent"),
    ] = False
    head: Annotated[
        Literal["fitted", "imagenet"],
        Field(
            description="fitted: an output for each class of the data set, new if they are not "
            "1000; imagenet: 1000 outputs, of which a data set with fewer classes uses the first"
        ),
    ] = "fitted"
    drop: Drop = "none"
    rate: DropRate = 0.0
    block_size: BlockSize = 7

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.pretrained and self.architecture in WITHOUT_WEIGHTS:
            raise ValueError(
                f"there are no trained weights of {self.architecture}; use pretrained: false"
            )
        if self.drop == "dropblock" and not self.architecture.startswith(RESIDUAL):
            raise ValueError(
                f"dropblock needs the stages of a residual network, {self.architecture} has none; "
                "use drop: dropout"
            )
        return self


def build(config: Imagenet, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The network with torchvision's initialisation, or trained: ``[N, 3, h, w]`` to ``[N, C]``.

    EfficientNet keeps its own dropout and stochastic depth, unless ``drop`` sets the first; their
    random numbers belong to the run.

    Raises:
        SpecError: the examples are no colour images of 32x32 pixels or more, or have more classes
            than the head.
        DataError: the weights are not there and cannot be downloaded.
    """
    _check(config, input_shape, classes)
    outputs = CLASSES if config.pretrained or config.head == "imagenet" else classes
    model = _network(config.architecture, outputs)
    if config.pretrained and torch.get_default_device().type != "meta":
        model.load_state_dict(_trained(config.architecture))
    if config.head == "fitted" and outputs != classes:
        _renew_head(model, classes)
    return _with_drop(_with_own_draws(model), config)


def _check(config: Imagenet, input_shape: tuple[int, ...], classes: int) -> None:
    check_images(config.architecture, input_shape, least=32)
    if input_shape[0] != 3:
        raise SpecError(
            [
                f"{config.architecture} needs images of 3 channels, the data set's have "
                f"{input_shape[0]}; use one of the models for small images, such as resnet18"
            ]
        )
    if config.head == "imagenet" and classes > CLASSES:
        raise SpecError(
            [f"head: imagenet has {CLASSES} outputs, the data set {classes} classes; use fitted"]
        )


def _network(architecture: str, outputs: int) -> Any:
    from torchvision.models import get_model
    from torchvision.models.resnet import Bottleneck, ResNet

    if architecture == "resnext101_32x4d":
        return ResNet(Bottleneck, [3, 4, 23, 3], outputs, groups=32, width_per_group=4)
    return get_model(architecture.removeprefix("se_"), weights=None, num_classes=outputs)


def _trained(architecture: str) -> dict[str, torch.Tensor]:
    """Torchvision's first weights, by the names of today's layers."""
    from torch.hub import get_dir, load_state_dict_from_url
    from torchvision.models import get_model_weights

    url = get_model_weights(architecture).IMAGENET1K_V1.url
    try:
        with redirect_stdout(sys.stderr):  # torch announces the download
            state = load_state_dict_from_url(
                url, progress=False, check_hash=True, weights_only=True
            )
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        raise DataError(
            f"{architecture}: the trained weights cannot be had ({error}); download {url} into "
            f"{get_dir()}/checkpoints, or use pretrained: false"
        ) from error
    # DenseNet's file is older than its layers' names: norm.1 is norm1 now
    return {re.sub(r"\.(norm|conv)\.(\d)\.", r".\1\2.", name): t for name, t in state.items()}


def _renew_head(model: Any, classes: int) -> None:
    name, head = _head(model)
    model.set_submodule(name, nn.Linear(head.in_features, classes))


def _head(model: Any) -> tuple[str, nn.Linear]:
    """Name of the last layer, and the layer."""
    return [(name, layer) for name, layer in model.named_modules() if type(layer) is nn.Linear][-1]


def _with_own_draws(model: nn.Module) -> nn.Module:
    from torchvision.ops import StochasticDepth

    def ours(layer: nn.Module) -> nn.Module:
        return Dropout(layer.p, axes=1) if isinstance(layer, StochasticDepth) else layer

    return replace_layers(own_dropout(model), ours)


def _with_drop(model: Any, config: Imagenet) -> nn.Module:
    if config.drop == "dropout":
        name, head = _head(model)
        within = name.rpartition(".")[0]
        if within:  # EfficientNet's classifier has a dropout of its own
            model.set_submodule(f"{within}.0", Dropout(config.rate))
        else:
            model.set_submodule(name, nn.Sequential(Dropout(config.rate), head))
    else:
        add_drop(model, config.drop, config.rate, config.block_size)
    return _with_attention(model) if config.architecture.startswith("se_") else model


def _with_attention(model: Any) -> nn.Module:
    """Squeeze and excitation of ratio 16 behind the last batch norm of every block."""
    from torchvision.ops import SqueezeExcitation

    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for block in stage:
            channels = block.conv3.out_channels
            block.bn3 = nn.Sequential(block.bn3, SqueezeExcitation(channels, channels // 16))
    return model


MODELS.add("imagenet", Model(Imagenet, "networks for ImageNet, new or trained", build))
