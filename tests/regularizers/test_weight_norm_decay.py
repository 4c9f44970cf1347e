"""Weight decay with normalised units against a plain torch loop."""

from __future__ import annotations

import copy

import torch
from torch import nn

from tests.homogeneous import ConvNet, inputs_of, of_run, perceptron, reals, sgd, stacked

LABELS = torch.arange(12) % 3


def test_equals_torchs_decay_and_a_division_after_each_step() -> None:
    model = perceptron(3)
    x, twin = inputs_of(model), copy.deepcopy(model)
    hp = reals(lr=[0.2], decay=[0.05])
    ours = sgd(model, stacked([model]), 6, x, LABELS, hp, "weight_norm_decay")
    weights = [p for name, p in twin.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in twin.named_parameters() if name.endswith("bias")]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": 0.05}, {"params": biases}], lr=0.2
    )
    for _ in range(6):
        optimizer.zero_grad()
        nn.functional.cross_entropy(twin(x), LABELS).backward()
        optimizer.step()
        with torch.no_grad():
            length = twin[0].weight.norm(dim=1)
            twin[0].weight /= length[:, None]
            twin[0].bias /= length
    for name, param in twin.named_parameters():
        torch.testing.assert_close(ours[name][0], param.detach())


def test_only_incoming_weights_have_length_one() -> None:
    model = ConvNet()
    hp = reals(lr=[0.1], decay=[0.1])
    after = sgd(model, stacked([model]), 3, inputs_of(model), LABELS, hp, "weight_norm_decay")
    for name in ("conv1.weight", "conv3.weight"):
        lengths = after[name].flatten(2).norm(dim=2)
        torch.testing.assert_close(lengths, torch.ones_like(lengths))
    assert not torch.allclose(after["conv2.weight"].flatten(2).norm(dim=2), torch.ones(1).double())


def test_runs_of_a_pack_are_trained_as_if_alone() -> None:
    models = [ConvNet() for _ in range(3)]
    start, x = stacked(models), inputs_of(models[0])
    hp = reals(lr=[0.05, 0.1, 0.2], decay=[0.0, 0.3, 0.05])
    together = sgd(models[0], start, 5, x, LABELS, hp, "weight_norm_decay")
    for k in range(3):
        alone = sgd(models[0], of_run(start, k), 5, x, LABELS, of_run(hp, k), "weight_norm_decay")
        for name, value in alone.items():
            torch.testing.assert_close(together[name][k], value[0], rtol=1e-10, atol=1e-12)
