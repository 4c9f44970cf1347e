"""The networks for ImageNet: published sizes, heads, trained weights, dropout."""

from pathlib import Path
from typing import Any, get_args
from urllib.error import URLError

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torchvision import models as torchvisions
from torchvision.ops import StochasticDepth

from regsearch.errors import DataError, SpecError
from regsearch.models.dropout import DropBlock, Dropout
from regsearch.models.imagenet import Architecture, Imagenet, build

COUNTS = {
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x4d": 44_177_704,
    "se_resnet50": 28_088_024,
    "se_resnet101": 49_326_872,
    "densenet201": 20_013_928,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
}
SIZE = (3, 224, 224)
B0_FILE = torchvisions.EfficientNet_B0_Weights.IMAGENET1K_V1.url.rpartition("/")[2]


def network(classes: int = 1000, shape: tuple[int, ...] = SIZE, **values: Any) -> Any:
    """Without data."""
    with torch.device("meta"):
        return build(Imagenet.model_validate(values), shape, classes)


def test_every_architecture_is_counted() -> None:
    assert set(COUNTS) == set(get_args(Architecture))


@pytest.mark.parametrize("architecture", COUNTS)
def test_it_has_as_many_parameters_as_published(architecture: str) -> None:
    model = network(architecture=architecture)
    assert sum(param.numel() for param in model.parameters()) == COUNTS[architecture]


@pytest.mark.parametrize(
    ("architecture", "drop"),
    [
        ("se_resnet50", "dropblock"),
        ("resnext50_32x4d", "dropout"),
        ("efficientnet_b0", "dropout"),
    ],
)
def test_outputs_are_the_classes_of_the_data(architecture: str, drop: str) -> None:
    model = network(7, (3, 32, 40), architecture=architecture, drop=drop, rate=0.5)
    assert model(torch.empty(2, 3, 32, 40, device="meta")).shape == (2, 7)


def test_densenet_has_an_output_for_each_class_too() -> None:
    assert network(7, architecture="densenet201").classifier.out_features == 7


def test_the_head_of_imagenet_has_1000_outputs_for_any_smaller_data_set() -> None:
    model = network(200, architecture="efficientnet_b0", head="imagenet")
    assert model.classifier[1].out_features == 1000
    with pytest.raises(SpecError, match="1000 outputs, the data set 1001 classes; use fitted"):
        network(1001, head="imagenet")


def test_squeeze_and_excitation_scales_each_block_before_the_shortcut() -> None:
    model = network(architecture="se_resnet50")
    blocks = [b for n in (1, 2, 3, 4) for b in model.get_submodule(f"layer{n}")]
    assert len(blocks) == 16
    norm, attention = blocks[0].bn3
    assert isinstance(norm, nn.BatchNorm2d)
    assert (attention.fc1.in_channels, attention.fc1.out_channels) == (256, 16)
    x = torch.randn(2, 256, 4, 4)
    attention.to_empty(device="cpu")
    for param in attention.parameters():
        nn.init.normal_(param)
    w1, b1, w2, b2 = (param.detach().squeeze() for param in attention.parameters())
    scale = ((x.mean((2, 3)) @ w1.T + b1).clamp_min(0) @ w2.T + b2).sigmoid()
    torch.testing.assert_close(attention(x).detach(), x * scale[:, :, None, None])


def test_random_layers_draw_their_own_numbers() -> None:
    model = network(architecture="efficientnet_b1")
    theirs = torchvisions.efficientnet_b1()
    depths = [layer.p for layer in theirs.modules() if isinstance(layer, StochasticDepth)]
    found = {layer.axes for layer in model.modules() if isinstance(layer, Dropout)}
    assert found == {1, None}
    ours = [layer for layer in model.modules() if isinstance(layer, Dropout) and layer.axes]
    assert len(ours) == len(depths)
    other = (StochasticDepth, nn.Dropout)
    assert not any(isinstance(layer, other) for layer in model.modules())
    built = build(Imagenet(architecture="efficientnet_b0"), (3, 32, 32), 10)
    rates = [float(m.p) for m in built.modules() if isinstance(m, Dropout) and m.axes is None]
    assert rates == [pytest.approx(0.2)]


def test_drop_sets_the_rate_of_the_last_layers_inputs() -> None:
    for architecture, layer in [
        ("resnet50", "fc.0"),
        ("se_resnet50", "fc.0"),
        ("densenet201", "classifier.0"),
        ("efficientnet_b0", "classifier.0"),
    ]:
        model = network(architecture=architecture, drop="dropout", rate=0.5)
        found = model.get_submodule(layer)
        assert isinstance(found, Dropout)
        assert found.axes is None
        last = [name for name, module in model.named_modules() if type(module) is nn.Linear][-1]
        assert last == layer.replace(".0", ".1")


@pytest.mark.parametrize("architecture", ["resnet50", "se_resnet50", "resnext50_32x4d"])
def test_dropblock_acts_in_the_last_two_stages(architecture: str) -> None:
    model = network(architecture=architecture, drop="dropblock", rate=0.1)
    found = [name for name, layer in model.named_modules() if isinstance(layer, DropBlock)]
    assert len(found) == (6 + 3) * 4
    with pytest.raises(ValidationError, match="dropblock needs the stages of a residual network"):
        Imagenet(architecture="densenet201", drop="dropblock")


@pytest.fixture
def b0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Weights, where torch keeps those that it has downloaded."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    state = torchvisions.efficientnet_b0().state_dict()
    torch.save(state, folder / B0_FILE)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return state


def test_trained_weights_get_a_new_head_where_classes_differ(b0: dict[str, torch.Tensor]) -> None:
    config = Imagenet(architecture="efficientnet_b0", pretrained=True)
    model = build(config, (3, 32, 32), 10)
    for name, value in model.state_dict().items():
        if name in b0 and not name.startswith("classifier"):
            assert torch.equal(value, b0[name]), name
    assert model.get_parameter("classifier.1.weight").shape == (10, 1280)
    for values, classes in [({}, 1000), ({"head": "imagenet"}, 10)]:
        kept = build(config.model_copy(update=values), (3, 32, 32), classes)
        assert torch.equal(kept.get_parameter("classifier.1.weight"), b0["classifier.1.weight"])


def test_weights_that_cannot_be_had_are_told_with_the_way_out(
    b0: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Imagenet(architecture="efficientnet_b0", pretrained=True)
    file = tmp_path / "checkpoints" / B0_FILE

    def offline(*ignored: object, **also: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match="efficientnet_b0: the trained weights cannot be had"):
        build(config, SIZE, 10)
    file.unlink()
    with pytest.raises(DataError, match=rf"no route.* download https.*{B0_FILE} into .*, or use"):
        build(config, SIZE, 10)
    network(10, architecture="efficientnet_b0", pretrained=True)  # without data, no weights


def test_densenets_older_names_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.linspace(0, 1, 128)
    now = torchvisions.densenet201().state_dict()
    new = "features.denseblock1.denselayer1.norm2.weight"
    now[new] = values
    old = {
        name.replace("norm1.", "norm.1.")
        .replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.")
        .replace("conv2.", "conv.2.")
        if "denselayer" in name
        else name: value
        for name, value in now.items()
        if "num_batches_tracked" not in name
    }
    assert new not in old
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: old)
    model = build(Imagenet(architecture="densenet201", pretrained=True), SIZE, 1000)
    assert torch.equal(model.get_parameter(new), values)


def test_there_are_no_trained_weights_of_some() -> None:
    with pytest.raises(ValidationError, match="no trained weights of se_resnet50; use pretrained"):
        Imagenet(architecture="se_resnet50", pretrained=True)


def test_small_grey_or_no_images_are_refused() -> None:
    with pytest.raises(
        SpecError, match=r"resnet50 needs images of 3 channels, the data set's .* 1"
    ):
        network(shape=(1, 32, 32))
    with pytest.raises(SpecError, match="resnet50 needs images of 32x32 pixels or more"):
        network(shape=(3, 28, 28))
    with pytest.raises(SpecError, match=r"resnet50 needs images .* shape \(784,\)"):
        network(shape=(784,))
