"""What every registered regularizer must keep, with every registered optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import cycle, product

import pytest
import torch
from torch._dynamo.utils import counters

from regsearch.optim import OPTIMIZERS
from regsearch.regularizers import REGULARIZERS
from regsearch.space import per_run_fields
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task

PAIRS = list(product(REGULARIZERS, OPTIMIZERS))
STRENGTH: dict[str, list[dict[str, float]]] = {
    "none": [{}, {}, {}],
    "weight_decay": [{"decay": d} for d in (0.0, 0.1, 1.0)],
    "shifted_decay": [{"decay": d, "shift": s} for d, s in ((0.0, 0.1), (0.1, 0.0), (1.0, 0.01))],
    "volumization": [{"v": 0.0, "alpha": 0.9}, {"v": 0.3, "alpha": -1.0}, {"v": 0.5, "alpha": 0.0}],
    "adadecay": [{"decay": d, "steepness": s} for d, s in ((0.0, 4.0), (0.1, -1.0), (1.0, 8.0))],
    "random_decay": [{"decay": d, "steepness": s} for d, s in ((0.0, 4.0), (0.1, 1.0), (1.0, 8.0))],
    "lasso": [{"strength": s} for s in (0.0, 1e-3, 1e-2)],
    "group_lasso": [{"strength": s} for s in (0.0, 1e-3, 1e-2)],
    "path_norm": [{"strength": s} for s in (0.0, 1e-3, 1e-2)],
    "pathprox": [{"strength": s} for s in (0.0, 1e-3, 1e-2)],
    "weight_norm_decay": [{"decay": d} for d in (0.0, 0.1, 1.0)],
    "unit_pruning": [
        {"below": b, "after_steps": a} for b, a in ((0.0, 0.0), (0.5, 2.0), (9.0, 3.0))
    ],
    "enc": [{"alpha": a} for a in (0.5, 1.0, 4.0)],
    "weight_norm": [{}, {}, {}],
    "weight_standardization": [{}, {}, {}],
}
"""Three runs each; a new method adds its line (a plugin's own tests do, elsewhere)."""

REBUILDS = [m for m in REGULARIZERS if REGULARIZERS[m].build is not REGULARIZERS["none"].build]
"""Methods that change the model: one at a time."""

EACH_ONCE = list(zip(REGULARIZERS, cycle(OPTIMIZERS), strict=False))
"""Every method, and every optimizer: for what does not hang on how the two act together."""

CAN_DO_NOTHING = [(m, optimizer) for m, optimizer in EACH_ONCE if REGULARIZERS[m].neutral]


@pytest.fixture(autouse=True)
def torch_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def task(method: str, optimizer: str, values: dict[str, float], seed: int, epochs: int = 1) -> Task:
    return Task.model_validate(
        {
            "dataset": {"kind": "digits", "train_size": 120},
            "model": {"kind": "mlp", "widths": [6, 5]},
            "train": {
                "optimizer": {"kind": optimizer, "lr": 0.003 * (seed + 1)},
                "epochs": epochs,
                "batch_size": 20,
            },
            "regularizers": [{"kind": method, **values}],
            "seed": seed,
        }
    )


def tasks(method: str, optimizer: str, epochs: int = 1) -> list[Task]:
    return [task(method, optimizer, v, seed, epochs) for seed, v in enumerate(STRENGTH[method])]


def trained(tasks: list[Task], compile: bool = False) -> PackTraining:  # noqa: A002
    pack = PackTraining(tasks, Engine(compile=compile))
    while not pack.done:
        pack.run_epoch()
    return pack


def tensors(pack: PackTraining) -> dict[str, torch.Tensor]:
    slots = pack.state.slots.items()
    averages = {f"{slot}.{n}": t for slot, tree in slots for n, t in tree.items()}
    return pack.state.params | averages


@pytest.mark.parametrize(("method", "optimizer"), PAIRS)
def test_a_pack_trains_each_run_as_if_it_were_alone(method: str, optimizer: str) -> None:
    together = tensors(trained(tasks(method, optimizer)))
    for k, alone in enumerate(tasks(method, optimizer)):
        for name, value in tensors(trained([alone])).items():
            assert together[name].dtype == torch.float32
            torch.testing.assert_close(together[name][k], value[0], rtol=1e-4, atol=1e-5)


@cache
def unregularized(optimizer: str) -> dict[str, torch.Tensor]:
    return tensors(trained([task("none", optimizer, {}, seed) for seed in range(3)]))


@pytest.mark.parametrize(("method", "optimizer"), CAN_DO_NOTHING)
def test_at_its_neutral_values_it_is_no_regularizer(method: str, optimizer: str) -> None:
    neutral = REGULARIZERS[method].neutral
    off = trained([task(method, optimizer, v | neutral, s) for s, v in enumerate(STRENGTH[method])])
    for name, value in unregularized(optimizer).items():
        torch.testing.assert_close(tensors(off)[name], value)


@pytest.mark.parametrize(("method", "optimizer"), EACH_ONCE)
def test_the_same_pack_gives_the_same_bits_saved_in_between_or_not(
    method: str, optimizer: str
) -> None:
    runs = tasks(method, optimizer, epochs=2)
    whole, begun, resumed = (
        trained(runs),
        PackTraining(runs, Engine()),
        PackTraining(runs, Engine()),
    )
    begun.run_epoch()
    resumed.load_state_dict(begun.state_dict())
    resumed.run_epoch()
    for name, value in tensors(whole).items():
        assert torch.equal(value, tensors(resumed)[name])


TOGETHER = [m for m in REGULARIZERS if m not in REBUILDS]
COMPILED = [
    *((TOGETHER[i :: len(OPTIMIZERS)], optimizer) for i, optimizer in enumerate(OPTIMIZERS)),
    *(([method], "sgd") for method in REBUILDS),
]
"""Every method, and every optimizer; few at a time, since a large graph takes long to compile."""


@pytest.mark.parametrize(("methods", "optimizer"), COMPILED)
def test_compiled_equals_eager_and_compiles_once(methods: list[str], optimizer: str) -> None:
    """Every phase of every method, and every optimizer, is in a graph; new settings add none."""

    def pack(rate: float) -> list[Task]:
        runs = []
        for seed in range(3):
            entries = [{"kind": method, **STRENGTH[method][seed]} for method in methods]
            one = task("none", optimizer, {}, seed).model_dump() | {"regularizers": entries}
            one["train"]["optimizer"]["lr"] = rate * (seed + 1)
            one["dataset"]["label_noise"] = rate
            runs.append(Task.model_validate(one))
        return runs

    counters.clear()
    for rate in (0.02, 0.05):
        fast, again = (tensors(trained(pack(rate), compile=True)) for _ in range(2))
        for name, value in tensors(trained(pack(rate))).items():
            torch.testing.assert_close(fast[name], value, rtol=1e-3, atol=1e-4)
            assert torch.equal(fast[name], again[name])
    assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("method", list(REGULARIZERS))
def test_the_method_says_what_it_is(method: str) -> None:
    config = REGULARIZERS[method].config
    assert REGULARIZERS[method].description
    assert config.model_fields["kind"].default == method
    for name in per_run_fields(config):
        assert config.model_fields[name].description, name
