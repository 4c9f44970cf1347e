from collections.abc import Iterator

import pytest
import torch
from pydantic import ValidationError

from regsearch.models import MODELS
from regsearch.models.dropout_mlp import DropoutMlp, build
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task


def test_at_rate_0_it_is_the_mlp_of_the_same_seed() -> None:
    torch.manual_seed(1)
    ours = build(DropoutMlp(widths=[5, 4], dropout=0.0), (2, 3), 3)
    torch.manual_seed(1)
    mlp = MODELS["mlp"].build(MODELS["mlp"].config(widths=[5, 4]), (2, 3), 3)
    x = torch.randn(7, 2, 3)
    assert torch.equal(ours(x), mlp(x))
    torch.manual_seed(1)
    assert torch.equal(build(DropoutMlp(widths=[5, 4], dropout=0.9), (2, 3), 3).eval()(x), mlp(x))


def test_dropout_stands_behind_every_hidden_layer() -> None:
    model = build(DropoutMlp(widths=[5, 4]), (6,), 3)
    kinds = ["Flatten", *["Linear", "ReLU", "Dropout"] * 2, "Linear"]
    assert [type(layer).__name__ for layer in model.children()] == kinds


@pytest.fixture(autouse=True)
def torch_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def task(rate: float, seed: int) -> Task:
    return Task.model_validate(
        {
            "dataset": {"kind": "digits", "train_size": 60},
            "model": {"kind": "dropout_mlp", "widths": [8], "dropout": rate},
            "train": {"optimizer": {"kind": "sgd", "lr": 0.1}, "epochs": 2, "batch_size": 20},
            "regularizers": [{"kind": "none"}],
            "seed": seed,
        }
    )


def trained(tasks: list[Task]) -> PackTraining:
    pack = PackTraining(tasks, Engine())
    while not pack.done:
        pack.run_epoch()
    return pack


def test_rates_share_a_pack_and_each_run_trains_as_alone() -> None:
    tasks = [task(0.0, 0), task(0.25, 0), task(0.5, 1)]
    together = trained(tasks).state
    for k, alone in enumerate(tasks):
        for name, value in trained([alone]).state.params.items():
            torch.testing.assert_close(together.params[name][k], value[0])
    assert together.buffers["3.p"].tolist() == [0, 0.25, 0.5]
    assert together.buffers["3.calls"].tolist() == [6, 6, 6]
    weights = together.params["1.weight"]
    assert not torch.allclose(weights[0], weights[1])  # the same start, another rate


def test_a_saved_pack_goes_on_with_the_same_numbers() -> None:
    whole, first = trained([task(0.5, 0)]), PackTraining([task(0.5, 0)], Engine())
    first.run_epoch()
    second = PackTraining([task(0.5, 0)], Engine())
    second.load_state_dict(first.state_dict())
    second.run_epoch()
    for name, value in whole.state.params.items():
        assert torch.equal(second.state.params[name], value)


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"dropout": -0.1}, {"widths": []}])
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DropoutMlp.model_validate(wrong)
