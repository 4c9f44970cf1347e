"""With every optimizer, the weights to measure and to keep are as the regularizers left them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regsearch.optim import OPTIMIZERS
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task

STEPS = 6  # an epoch
CASES: list[dict[str, Any]] = [
    *({"kind": kind} for kind in OPTIMIZERS),
    {"kind": "entropy_sgd", "inner_steps": 3},  # an outer step is the last of the epoch
    {"kind": "entropy_sgd", "inner_steps": 4},  # in the middle of an inner loop
    {"kind": "entropy_sgd", "inner_steps": 0},
]

with_every_optimizer = pytest.mark.parametrize(
    "optimizer", CASES, ids=lambda case: "-".join(map(str, case.values()))
)


@pytest.fixture(autouse=True)
def torch_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def pack_of(optimizer: dict[str, Any], *methods: dict[str, Any], epochs: int = 1) -> PackTraining:
    """One run for each of ``methods``: 64 inputs, 6 hidden units, 10 outputs."""
    tasks = [
        Task.model_validate(
            {
                "dataset": {"kind": "digits", "train_size": 20 * STEPS},
                "model": {"kind": "mlp", "widths": [6]},
                "train": {
                    "optimizer": optimizer | {"lr": 0.01},
                    "epochs": epochs,
                    "batch_size": 20,
                },
                "regularizers": [method],
                "seed": seed,
            }
        )
        for seed, method in enumerate(methods)
    ]
    return PackTraining(tasks, Engine())


def kept(optimizer: dict[str, Any], *methods: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Weights into and out of the hidden units after an epoch, ``[K, 6, 64]``, ``[K, 10, 6]``."""
    pack = pack_of(optimizer, *methods)
    pack.run_epoch()
    weights = pack.weights()
    return weights["1.weight"], weights["3.weight"]


@with_every_optimizer
def test_volumized_weights_are_inside_the_box(optimizer: dict[str, Any]) -> None:
    walls = torch.tensor([0.02, 0.05])
    boxes = [
        {"kind": "volumization", "v": float(v), "alpha": 0.0, "volume": "absolute"} for v in walls
    ]
    for weight in kept(optimizer, *boxes):
        largest = weight.abs().amax((1, 2))
        assert (largest <= walls).all()
        assert (largest > 0.9 * walls).all()


@with_every_optimizer
def test_units_are_either_dead_or_too_large_to_prune(optimizer: dict[str, Any]) -> None:
    below = torch.tensor([[0.4], [9.0]])
    pruning = [{"kind": "unit_pruning", "below": float(b), "after_steps": 2.0} for b in below]
    first, second = kept(optimizer, *pruning)
    path_norms = first.norm(dim=2) * second.norm(dim=1)
    dead = path_norms == 0
    assert (dead | (path_norms > below)).all()
    assert dead[1].all()


@with_every_optimizer
def test_incoming_weights_are_on_the_sphere(optimizer: dict[str, Any]) -> None:
    first, _ = kept(optimizer, *({"kind": "pathprox", "strength": s} for s in (0.01, 0.1)))
    torch.testing.assert_close(first.norm(dim=2), torch.ones(2, 6))


@with_every_optimizer
def test_training_goes_on_from_discrete_weights_and_keeps_them(optimizer: dict[str, Any]) -> None:
    ternary = {"kind": "volumization", "v": 1.0, "alpha": 0.5, "volume": "absolute"}
    ternary |= {"quantize": "ternary", "quantize_every": 1}
    pack = pack_of(optimizer, ternary | {"v": 0.05}, ternary | {"v": 0.1}, epochs=3)
    while not pack.done:
        measured, data = pack.run_epoch(), pack._data
        for k, wall in enumerate((0.05, 0.1)):
            layers = {name: value[k] for name, value in pack.weights().items()}
            for name in ("1.weight", "3.weight"):
                assert set(layers[name].unique().tolist()) <= set(
                    torch.tensor([-wall, 0, wall]).tolist()
                )
            hidden = nn.functional.linear(
                data.x_test.flatten(1), layers["1.weight"], layers["1.bias"]
            )
            outputs = nn.functional.linear(hidden.relu(), layers["3.weight"], layers["3.bias"])
            hits = (outputs.argmax(1) == data.y_test[0]).float().mean()
            assert float(measured["quantized_accuracy"][k]) == pytest.approx(float(hits))
        torch.testing.assert_close(pack.weights(), dict(pack.state.params), rtol=0, atol=0)
