"""Kernels with channels last are the same numbers in another order in memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regsearch.models import MODELS
from regsearch.train.batches import epoch_order
from regsearch.train.engine import Engine
from regsearch.train.layout import channels_last, lay_out
from regsearch.train.loop import PackTraining
from regsearch.train.seeds import seed_of
from regsearch.train.step import Program, apply

SGD = {"optimizer": {"kind": "sgd", "lr": 0.01, "momentum": 0.9}, "epochs": 2}


def test_the_kernels_of_a_single_run_are_laid_out_anew() -> None:
    weights = {"kernel": torch.randn(1, 4, 3, 2, 2), "matrix": torch.randn(1, 4, 3)}
    laid_out = channels_last(weights)
    assert torch.equal(laid_out["kernel"], weights["kernel"])
    assert laid_out["kernel"].stride()[1:] == (12, 1, 6, 3)
    assert laid_out["matrix"] is weights["matrix"]


def test_several_runs_keep_their_layout_and_so_does_a_cpu() -> None:
    for runs, device, kept in ((2, "cuda", True), (1, "cpu", True), (1, "cuda", False)):
        weights = {"kernel": torch.randn(runs, 4, 3, 2, 2)}
        laid_out = lay_out(weights, torch.device(device))
        assert (laid_out["kernel"] is weights["kernel"]) is kept


def test_a_pack_of_one_is_a_plain_loop(make_task: Any) -> None:
    task = make_task(model={"kind": "resnet18", "width": 2}, train=SGD)
    pack = PackTraining([task], Engine())
    for _ in range(2):
        pack.run_epoch()
    for name, expected in plain_loop(task, pack).items():
        torch.testing.assert_close(pack.state.params[name][0], expected, rtol=1e-4, atol=1e-5)


def plain_loop(task: Any, pack: PackTraining) -> dict[str, Tensor]:
    """Parameters after the same two epochs of an ordinary model and optimizer."""
    data = pack._data
    torch.manual_seed(seed_of(task.seed, "init"))
    model = MODELS["resnet18"].build(task.model, tuple(data.x_train.shape[1:]), data.classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for epoch in (1, 2):
        order = epoch_order(len(data.x_train), task.train, [0], epoch)
        for index in torch.split(order, task.train.batch_size)[:3]:  # the rest is left out
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(data.x_train[index]), data.y_train[0, index])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return {name: param.detach() for name, param in model.named_parameters()}


METHODS: list[dict[str, Any]] = [
    {"kind": "volumization", "v": 0.1, "alpha": 0.5, "volume": "init_max"},
    {"kind": "adadecay", "decay": 0.1},
    {"kind": "random_decay", "decay": 0.1, "renormalize": True},
    {"kind": "lasso", "strength": 0.1},
    {"kind": "group_lasso", "strength": 0.1},
    {"kind": "path_norm", "strength": 0.1},
    {"kind": "weight_norm_decay", "decay": 0.1},
    {"kind": "enc", "alpha": 1.0},
    {"kind": "weight_norm"},
]


@pytest.mark.parametrize("entry", METHODS, ids=lambda entry: str(entry["kind"]))
def test_methods_see_the_same_weights_in_either_layout(make_task: Any, entry: Any) -> None:
    """Without a step through the kernels themselves, which would need a GPU in one of them."""
    task = make_task(entry, model={"kind": "vgg"}, train=SGD)
    pack = PackTraining([task], Engine())
    program = Program(nn.Identity(), task.train.optimizer, task.regularizers, task.train.loss)
    torch.manual_seed(0)
    grads = {name: torch.randn_like(param) for name, param in pack.state.params.items()}
    results = []
    for layout in (dict, channels_last):
        state = pack.state
        slots = {slot: layout(averages) for slot, averages in state.slots.items()}
        state = state._replace(params=layout(state.params), slots=slots)
        results.append(apply(program, state, layout(grads), pack._hyper, pack._plans))
    (params, slots), (others, other_slots) = results
    for ours, theirs in ((params, others), *zip(slots.values(), other_slots.values(), strict=True)):
        for name, value in ours.items():
            torch.testing.assert_close(theirs[name], value, rtol=1e-5, atol=1e-6)
    moved = [name for name in params if not torch.equal(params[name], pack.state.params[name])]
    assert any(params[name].ndim == 5 for name in moved)
