from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torchvision.models import DenseNet

from regsearch.errors import SpecError
from regsearch.models.densenet import Densenet, build


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ({}, 1_000_618),
        ({"blocks": [16] * 3}, 769_162),  # DenseNet-BC-100 of the paper, 0.8M
        ({"blocks": [31] * 3, "growth": 40}, 25_624_430),  # DenseNet-BC-190, 25.6M
    ],
)
def test_on_cifar_10_it_has_as_many_parameters_as_published(values: Any, count: int) -> None:
    with torch.device("meta"):
        model = build(Densenet.model_validate(values), (3, 32, 32), 10)
    assert sum(param.numel() for param in model.parameters()) == count


@pytest.mark.parametrize("train", [True, False])
def test_it_computes_what_torchvisions_does_with_another_stem(train: bool) -> None:
    model = build(Densenet(growth=3, blocks=[2, 3]), (3, 8, 8), 5).double()
    oracle = DenseNet(growth_rate=3, block_config=(2, 3), num_init_features=6, num_classes=5)
    oracle.features.conv0 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
    for unused in ("norm0", "relu0", "pool0"):
        setattr(oracle.features, unused, nn.Identity())
    oracle.double()
    for theirs, ours in zip(oracle.parameters(), model.parameters(), strict=True):
        theirs.data.copy_(ours.data)
    x = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(model.train(train)(x), oracle.train(train)(x))


def test_reduction_is_the_share_that_a_transition_keeps() -> None:
    model = build(Densenet(growth=4, blocks=[1, 1], reduction=1.0), (1, 4, 4), 3)
    *_, head = model.children()
    assert head.in_features == 8 + 4 + 4


def test_images_too_small_for_the_blocks_are_refused() -> None:
    build(Densenet(growth=2, blocks=[1] * 4), (1, 8, 8), 3)(torch.zeros(2, 1, 8, 8))
    with pytest.raises(SpecError, match="densenet needs images of 16x16 pixels or more"):
        build(Densenet(growth=2, blocks=[1] * 5), (1, 8, 8), 3)


@pytest.mark.parametrize(
    "wrong", [{"blocks": []}, {"blocks": [0]}, {"growth": 0}, {"reduction": 0.0}]
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Densenet.model_validate(wrong)
