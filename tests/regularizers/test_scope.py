"""Which parameters are weights, scales and biases, in layers of every kind."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from regsearch.errors import SpecError
from regsearch.own_loop import constrain
from regsearch.regularizers.scope import Scope, names_in_scope, natural_name


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.conv = nn.Conv1d(3, 4, 2)
        self.norm = nn.BatchNorm1d(4)
        self.plane = nn.LayerNorm([4, 3])  # its scales have two axes
        self.group = nn.GroupNorm(2, 4)
        self.root = nn.RMSNorm(4)
        self.attention = nn.MultiheadAttention(4, 2, add_bias_kv=True)
        self.memory = nn.LSTM(4, 4)
        self.leak = nn.PReLU()


WEIGHTS = {
    "conv.weight",
    "attention.in_proj_weight",
    "attention.out_proj.weight",
    "memory.weight_ih_l0",
    "memory.weight_hh_l0",
}
SCALES = {"norm.weight", "plane.weight", "group.weight", "root.weight"}


def stacked(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: param.detach().expand(2, *param.shape) for name, param in model.named_parameters()
    }


@pytest.mark.parametrize(
    ("scope", "expected"), [("weights", WEIGHTS), ("no_biases", WEIGHTS | SCALES)]
)
def test_weights_and_scales(scope: Scope, expected: set[str]) -> None:
    assert set(names_in_scope(Net(), stacked(Net()), scope)) == expected


def test_all_is_all_in_the_order_of_the_parameters() -> None:
    params = stacked(Net())
    assert names_in_scope(Net(), params, "all") == list(params)


@pytest.mark.parametrize("scope", ["weights", "no_biases", "all"])
def test_only_parameters_that_are_given(scope: Scope) -> None:
    params = {"conv.weight": stacked(Net())["conv.weight"]}
    assert names_in_scope(Net(), params, scope) == ["conv.weight"]


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["conv.weight"], WEIGHTS - {"conv.weight"}),
        (["attention.*", "memory.weight_?h_l0"], {"conv.weight"}),
        (["*_l[0-9]"], {name for name in WEIGHTS if "memory" not in name}),
        (["*.bias"], WEIGHTS),
    ],
)
def test_shell_patterns_leave_parameters_out(patterns: list[str], left: set[str]) -> None:
    assert set(names_in_scope(Net(), stacked(Net()), "weights", patterns)) == left


def test_a_pattern_that_matches_nothing_is_named_with_what_there_is() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1, bias=False))
    with pytest.raises(SpecError) as caught:
        names_in_scope(model, stacked(model), "weights", ["0.*", "0.weigth", "Head.*"])
    assert caught.value.problems == [
        "exclude: no parameter matches '0.weigth'. Did you mean '0.weight'? "
        "Parameters: 0.weight, 0.bias, 1.weight",
        "exclude: no parameter matches 'Head.*'. Parameters: 0.weight, 0.bias, 1.weight",
    ]


def test_a_pattern_may_match_what_is_not_trained() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    params = {"1.weight": stacked(model)["1.weight"]}
    assert names_in_scope(model, params, "weights", ["0.*"]) == ["1.weight"]


def test_a_parametrized_weight_is_a_weight_and_its_gain_is_none() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)), nn.Linear(2, 1))
    raw = "0.parametrizations.weight.original1"
    assert names_in_scope(model, stacked(model), "weights") == [raw, "1.weight"]


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(Tensor([[2.0]]))

    def forward(self, weight: Tensor) -> Tensor:
        return self.gain * weight


def test_parameters_of_a_parametrization_are_no_weights() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    parametrize.register_parametrization(model[0], "weight", Scaled())
    raw = "0.parametrizations.weight.original"
    assert names_in_scope(model, stacked(model), "weights") == [raw, "1.weight"]
    for pattern in ("0.weight", raw, "0.*"):
        assert names_in_scope(model, stacked(model), "weights", [pattern]) == ["1.weight"]


@pytest.mark.parametrize("scope", ["weights", "no_biases", "all"])
@pytest.mark.parametrize(
    ("kind", "raw", "settings"),
    [
        ("enc", "original", {"form": "norm", "learnable": "layer"}),
        ("enc", "original", {"form": "norm", "learnable": "shared"}),
        ("weight_norm", "original1", {}),
    ],
)
def test_learnt_scales_are_in_no_scope(
    kind: str, raw: str, settings: dict[str, str], scope: Scope
) -> None:
    """Nor where weights have one input, and so no more elements than their gains."""
    model = nn.Sequential(nn.Linear(1, 3), nn.Linear(3, 2))
    constrain(model, kind, head="bare", **settings)
    weights = {f"{i}.parametrizations.weight.{raw}" for i in (0, 1)}
    biases = {"0.bias", "1.bias"} if scope == "all" else set()
    assert set(names_in_scope(model, stacked(model), scope)) == weights | biases


class LowRank(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Parameter(torch.ones(4, 2)), nn.Parameter(torch.ones(2, 3))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.left @ self.right


def test_matrices_of_a_parametrization_are_weights() -> None:
    model = nn.Linear(3, 4)
    parametrize.register_parametrization(model, "weight", LowRank())
    assert set(names_in_scope(model, stacked(model), "weights")) == {
        f"parametrizations.weight.{name}" for name in ("original", "0.left", "0.right")
    }


def test_a_parametrized_table_and_a_parametrized_bias_are_no_weights() -> None:
    model = nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 1))
    parametrize.register_parametrization(model[0], "weight", nn.Identity())
    parametrize.register_parametrization(model[1], "bias", nn.Identity())
    assert names_in_scope(model, stacked(model), "weights") == ["1.weight"]


@pytest.mark.parametrize(
    ("name", "natural"),
    [
        ("0.weight", "0.weight"),
        ("parametrizations.weight.original", "weight"),
        ("block.3.parametrizations.weight.original0", "block.3.weight"),
        ("0.parametrizations.bias.0.gain", "0.bias"),
    ],
)
def test_natural_names(name: str, natural: str) -> None:
    assert natural_name(name) == natural
