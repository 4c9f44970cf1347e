"""Inputs are pixels on another scale, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from regsearch.datasets import DATASETS
from regsearch.datasets._official import scaled
from regsearch.datasets.cifar import STATS
from regsearch.pixels import Pixels

BYTES = torch.arange(3 * 16 * 16, dtype=torch.int64).remainder(256).to(torch.uint8).view(3, 16, 16)


@pytest.mark.parametrize("stats", [None, STATS])
def test_bytes_go_to_inputs_as_data_sets_do_it_and_return(
    stats: tuple[list[float], list[float]] | None,
) -> None:
    pixels, images = Pixels.of(stats), BYTES.expand(2, -1, -1, -1)
    inputs = scaled(images, stats)
    assert torch.equal(pixels.inputs(images / 255), inputs), "bit for bit"
    assert torch.equal((pixels.pixels(inputs) * 255).round().byte(), images)


def test_pixels_stay_within_their_range() -> None:
    back = Pixels((0.5,), (0.25,)).pixels(torch.tensor([[[[-3.0]], [[0.0]], [[5.0]]]]))
    assert back.flatten().tolist() == [0.0, 0.5, 1.0]


def test_data_sets_of_images_say_their_scale_and_others_do_not(tmp_path: Path) -> None:
    labels = np.array([0, 1, 0, 1])
    for name, x in (("bytes", np.zeros((4, 8, 8), np.uint8)), ("values", np.zeros((4, 1, 8, 8)))):
        np.savez(tmp_path / name, x_train=x, y_train=labels, x_test=x, y_test=labels)
    configs: dict[str, dict[str, str]] = {
        "digits": {},
        "arrays": {"path": str(tmp_path / "bytes.npz")},
        "teacher_student": {},
    }
    known = {}
    for kind, settings in configs.items():
        dataset = DATASETS[kind]
        known[kind] = dataset.load(dataset.config.model_validate({"kind": kind} | settings)).pixels
    assert known == {"digits": Pixels(), "arrays": Pixels(), "teacher_student": None}
    arrays = DATASETS["arrays"]
    values = arrays.load(
        arrays.config.model_validate({"kind": "arrays", "path": str(tmp_path / "values.npz")})
    )
    assert values.pixels is None
