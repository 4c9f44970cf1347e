from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import resnet
from torchvision.models.resnet import BasicBlock, Bottleneck

from regsearch.errors import SpecError
from regsearch.models import MODELS
from regsearch.models.dropout import DropBlock, Dropout
from regsearch.models.resnet import ResNet

COUNTS = {"resnet18": 11_173_962, "resnet50": 23_520_842}


def build(name: str, shape: tuple[int, ...] = (3, 8, 8), **values: Any) -> Any:
    config = MODELS[name].config.model_validate({"kind": name, "width": 64, **values})
    return MODELS[name].build(config, shape, 10)


@pytest.mark.parametrize("name", COUNTS)
def test_on_cifar_10_it_has_as_many_parameters_as_published(name: str) -> None:
    with torch.device("meta"):
        model = build(name, (3, 32, 32))
        assert model(torch.empty(2, 3, 32, 32)).shape == (2, 10)
    assert sum(param.numel() for param in model.parameters()) == COUNTS[name]


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("name", "block"), [("resnet18", BasicBlock), ("resnet50", Bottleneck)])
def test_it_computes_what_torchvisions_does_with_another_stem(
    name: str, block: Any, train: bool
) -> None:
    layers = [2, 2, 2, 2] if name == "resnet18" else [3, 4, 6, 3]
    oracle = resnet.ResNet(block, layers, num_classes=10)
    oracle.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    oracle.maxpool = nn.Identity()  # type: ignore[assignment]
    model = build(name)
    oracle.load_state_dict(model.state_dict())
    x = torch.randn(3, 3, 8, 8)
    wanted = oracle.train(train)(x)
    torch.testing.assert_close(model.train(train)(x), wanted, atol=1e-4, rtol=1e-4)


def test_the_widths_of_the_stages_double() -> None:
    model = build("resnet50", (1, 28, 28), width=2)
    assert isinstance(model, ResNet)
    outputs = [model.get_submodule(f"layer{n}")[-1].conv3.out_channels for n in (1, 2, 3, 4)]
    assert outputs == [8, 16, 32, 64]
    sides = []
    for n in (1, 2, 3, 4):
        model.get_submodule(f"layer{n}").register_forward_hook(
            lambda _, __, output: sides.append(output.shape[2])
        )
    model(torch.randn(2, 1, 28, 28))
    assert sides == [28, 14, 7, 4]


def test_dropout_stands_before_the_last_layer() -> None:
    model = build("resnet18", width=2, drop="dropout", rate=0.5)
    drop, head = model.fc
    assert isinstance(drop, Dropout)
    assert float(drop.p) == 0.5
    assert head.in_features == 16


@pytest.mark.parametrize(("name", "norms"), [("resnet18", 2), ("resnet50", 3)])
def test_dropblock_stands_behind_the_norms_and_shortcuts_of_the_last_stages(
    name: str, norms: int
) -> None:
    model = build(name, width=2, drop="dropblock", rate=0.1, block_size=3)
    found = [key for key, layer in model.named_modules() if isinstance(layer, DropBlock)]
    blocks = len(model.layer3) + len(model.layer4)
    assert len(found) == blocks * (norms + 1)
    assert all(key.startswith(("layer3", "layer4")) for key in found)
    assert "layer4.0.downsample.2" in found  # behind the convolution and its norm
    assert "layer4.1.downsample.0" in found  # of the identity
    assert model.layer3[0].bn1[1].block_size == 3


@pytest.mark.parametrize("drop", ["dropout", "dropblock"])
def test_rate_0_and_evaluation_leave_the_network_as_it_is(drop: str) -> None:
    x = torch.randn(4, 3, 8, 8)
    torch.manual_seed(1)
    plain = build("resnet18", width=4)
    torch.manual_seed(1)
    model = build("resnet18", width=4, drop=drop, rate=0.0)
    torch.manual_seed(1)
    dropping = build("resnet18", width=4, drop=drop, rate=0.5)
    assert torch.equal(model(x), plain(x))
    dropping(x)  # drops, and counts other means
    assert not torch.equal(dropping(x), plain(x))
    torch.manual_seed(1)
    fresh = build("resnet18", width=4).eval()
    torch.manual_seed(1)
    assert torch.equal(build("resnet18", width=4, drop=drop, rate=0.5).eval()(x), fresh(x))


def test_examples_that_are_no_images_are_refused() -> None:
    with pytest.raises(SpecError, match=r"resnet18 needs images .* shape \(64,\)"):
        build("resnet18", (64,))
