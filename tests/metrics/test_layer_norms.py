from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from regsearch.metrics import Subject
from regsearch.metrics.gbr import Gbr
from regsearch.metrics.gbr import measure as measure_gbr
from regsearch.metrics.layers import Layers, measure
from regsearch.regularizers import REGULARIZERS

MakeSubject = Callable[..., Subject]


def test_equal_to_the_definition_layer_by_layer(make_subject: MakeSubject) -> None:
    layers = [(nn.Conv2d(1, 4, 2), nn.Linear(16, 3)) for _ in range(3)]
    models = [
        nn.Sequential(conv, nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), head)
        for conv, head in layers
    ]
    measured = measure(make_subject(*models, shape=(1, 3, 3)), Layers())
    for k, (conv, head) in enumerate(layers):
        matrices = [conv.weight.detach().flatten(1), head.weight.detach()]
        norms = [float(w.norm()) for w in matrices]
        spectral = [float(torch.linalg.svdvals(w)[0]) for w in matrices]
        at_wall = sum(int((w.abs() > 0.99 * w.abs().max()).sum()) for w in matrices)
        wanted = {
            "layer_norm_ratio": max(norms) / min(norms),
            "layer_norm_product": math.prod(norm**2 for norm in norms),
            "spectral_max": max(spectral),
            "spectral_product": math.prod(spectral),
            "wall_share": at_wall / sum(w.numel() for w in matrices),
        }
        assert {name: float(v[k]) for name, v in measured.items()} == pytest.approx(wanted)


def test_the_ratio_is_one_under_enc(make_subject: MakeSubject) -> None:
    enc = REGULARIZERS["enc"]
    config = enc.config.model_validate({"kind": "enc", "head": "bn"})
    plain = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    before = measure(make_subject(plain), Layers())["layer_norm_ratio"]
    built = enc.build(plain, config)
    after = measure(make_subject(built), Layers())["layer_norm_ratio"]
    assert float(before) > 1.01
    assert float(after) == pytest.approx(1, abs=1e-5)


def test_the_product_of_squared_norms_bounds_the_gbr(make_subject: MakeSubject) -> None:
    subject = make_subject(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
    product = measure(subject, Layers())["layer_norm_product"]
    assert 0 < float(measure_gbr(subject, Gbr())["gbr"]) <= float(product)


def test_walls_by_hand(make_subject: MakeSubject) -> None:
    layer, dead = nn.Linear(4, 2, bias=False), nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1.0, 0.995, 0.98], [0.0, 0.5, -0.2, 0.1]]))
        dead.weight.zero_()
    share = measure(make_subject(nn.Sequential(layer, dead)), Layers())["wall_share"]
    assert share.tolist() == pytest.approx([3 / 10])  # a layer of zeros has no wall


def test_of_a_diverged_run_nothing_is_finite(make_subject: MakeSubject) -> None:
    models = nn.Linear(4, 3), nn.Linear(4, 3)
    nn.init.constant_(models[0].weight, torch.inf)
    for values in measure(make_subject(*models), Layers()).values():
        assert values.isfinite().tolist() == [False, True]
