"""Which layers form groups of homogeneous units: shown by rescaling the units."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from regsearch.errors import SpecError
from regsearch.models import MODELS
from regsearch.regularizers import REGULARIZERS
from regsearch.unit_search import find_groups, split
from regsearch.units import UnitGroup, path_norms, scale_incoming, scale_outgoing
from tests.homogeneous import ConvNet, inputs_of, outputs, perceptron, stacked


def group(first: str, second: str) -> UnitGroup:
    return UnitGroup(f"{first}.weight", f"{first}.bias", f"{second}.weight", f"{second}.bias")


class Residual(nn.Module):
    """Around two layers, or around what stands between them."""

    def __init__(self, inside: bool) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.inside = inside
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.a(x)
        if self.inside:
            return self.c(self.b(hidden.relu()) + hidden)
        return self.c(x + self.b(hidden.relu()))


class Shared(nn.Module):
    """Uses one of its layers in a way that no rescaling of units survives."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.how = how
        if how == "tied":
            self.c = nn.Linear(5, 5)
            self.c.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "twice":
            return self.c(self.a(self.a(x).relu()).relu())
        if self.how == "by hand":
            return self.c(self.a(x)) + nn.functional.linear(x, self.c.weight)
        return self.c(self.a(x).relu())


class Sizes(nn.Module):
    def __init__(self, flat: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.b, self.flat = nn.Conv1d(2, 4, 3), nn.Linear(24, 3), flat
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.flat(self.a(x).relu()))


class Undecided(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def rescaled_outputs(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Before and after scaling w, b by random factors and v by their inverses, in all groups."""
    params = stacked([model, copy.deepcopy(model)])
    before = outputs(model, params, x)
    for g in find_groups(model):
        factor = torch.rand(params[g.first].shape[:2], dtype=torch.float64) * 3 + 0.1
        old = path_norms(params, g)
        params[g.first] = scale_incoming(params[g.first], factor)
        if g.first_bias is not None:
            params[g.first_bias] = scale_incoming(params[g.first_bias], factor)
        params[g.second] = scale_outgoing(params[g.second], 1 / factor)
        torch.testing.assert_close(path_norms(params, g), old)  # PPX-O5
    return before, outputs(model, params, x)


@pytest.mark.parametrize("layers", [2, 3, 6])
def test_perceptron_layers_pair_up_in_order(layers: int) -> None:
    wanted = [group(str(2 * i), str(2 * i + 2)) for i in range(0, layers - 1, 2)]
    assert find_groups(perceptron(layers)) == wanted


@pytest.mark.parametrize("make", [perceptron, lambda: perceptron(5), ConvNet])
def test_rescaling_units_changes_neither_outputs_nor_path_norms(make) -> None:  # type: ignore[no-untyped-def]
    model = make()
    before, after = rescaled_outputs(model, inputs_of(model))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


def test_groups_are_found_across_functions_pooling_and_flatten() -> None:
    assert find_groups(ConvNet()) == [
        UnitGroup("conv1.weight", "conv1.bias", "conv2.weight", None),
        group("conv3", "head"),
    ]


@pytest.mark.parametrize(
    "flat",
    [
        nn.Flatten(),
        lambda x: torch.flatten(x, 1),
        lambda x: x.flatten(start_dim=1),
        lambda x: x.reshape(x.shape[0], -1),
        lambda x: x.view(x.size()[0], -1),
    ],
)
def test_flattened_channels_are_blocks_of_columns(flat: Callable[[Tensor], Tensor]) -> None:
    model = Sizes(flat)
    assert find_groups(model) == [group("a", "b")]
    before, after = rescaled_outputs(model, torch.randn(4, 2, 8, dtype=torch.float64))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


def test_a_residual_around_a_group_keeps_it_and_one_into_it_breaks_it() -> None:
    around = Residual(inside=False)
    assert find_groups(around) == [group("a", "b")]
    before, after = rescaled_outputs(around, torch.randn(4, 5, dtype=torch.float64))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)
    assert find_groups(Residual(inside=True)) == []


def test_what_bends_the_scale_parts_the_chains() -> None:
    model = nn.Sequential(
        *(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5), nn.Tanh()),
        *(nn.Linear(5, 5), nn.LeakyReLU(), nn.Linear(5, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)),
    )
    units = split(
        model, dict(model.named_parameters()), [f"{i}.weight" for i in (0, 2, 4, 6, 10)], "pathprox"
    )
    assert units.chains == [[group("0", "2")], [group("6", "8")]]
    assert units.rest == ["4.weight", "10.weight"]
    assert units.groups == find_groups(model) == [group("0", "2"), group("6", "8")]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            nn.Sequential(nn.Linear(5, 5), nn.GELU(), nn.Linear(5, 3)),
            r"after 0 \(Linear\): 1 \(GELU\) is not positively homogeneous",
        ),
        (
            nn.Sequential(nn.Conv1d(1, 4, 1), nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, 4, 1)),
            r"after 0 \(Conv1d\): 1 \(BatchNorm1d\) is not",
        ),
        (
            nn.Sequential(nn.Linear(8, 8), nn.MaxPool1d(2), nn.Linear(4, 3)),
            r"1 \(MaxPool1d\) is not positively homogeneous in every unit",
        ),
        (
            nn.Sequential(nn.Conv1d(1, 4, 1), nn.ReLU(), nn.Linear(4, 3)),
            r"2 \(Linear\) does not take its 4 units as inputs",
        ),
        (
            nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReLU(), nn.Conv1d(4, 4, 1, groups=2)),
            r"after 0 \(Conv1d\): 2 \(Conv1d\) is a grouped convolution",
        ),
        (
            nn.Sequential(nn.Conv1d(1, 4, 1), nn.Flatten(0), nn.Linear(4, 3)),
            r"1 \(Flatten\) is not",
        ),
        (Residual(inside=True), r"after a \(Linear\): its output is used 2 times \(relu, add\)"),
        (Shared("twice"), r"a \(Linear\) is used twice; after c \(Linear\): the network ends"),
        (Shared("tied"), r"units: a \(Linear\) shares its weight; c \(Linear\) shares its weight"),
        (Shared("by hand"), r"after a \(Linear\): c \(Linear\) shares its weight"),
        (perceptron(1, 5), r"after 0 \(Linear\): the network ends"),
        (nn.Sequential(nn.Flatten(), nn.ReLU()), "it has no linear or convolution layer"),
        (Undecided(), "cannot be traced by torch.fx"),
    ],
)
def test_a_model_without_units_says_what_is_in_the_way(model: nn.Module, reason: str) -> None:
    assert find_groups(model) == []
    with pytest.raises(SpecError, match=reason) as caught:
        split(model, dict(model.named_parameters()), [], "pathprox")
    assert "use weight_decay" in str(caught.value)


def test_parameters_that_cannot_be_changed_are_named_with_the_reason() -> None:
    model = perceptron()
    parametrizations.weight_norm(model[0])
    assert find_groups(model) == find_groups(perceptron())
    model[2].weight.requires_grad_(False)
    given = {n: p for n, p in model.named_parameters() if p.requires_grad and n != "4.bias"}
    with pytest.raises(SpecError) as caught:
        split(model, given, [], "path_norm")
    assert caught.value.problems == [
        "path_norm: the layers on both sides of homogeneous units have to be trained as they are, "
        "and these are not: 0.weight (re-parametrised, by enc for one), 2.weight (frozen), "
        "4.bias (not given to the optimizer). Change that, or use weight_decay"
    ]


def test_a_compiled_model_is_told_what_it_is() -> None:
    inside = nn.Sequential(torch.compile(nn.Linear(5, 5)), nn.ReLU(), nn.Linear(5, 3))
    for model in (torch.compile(perceptron()), inside):
        params = dict(model.named_parameters())
        with pytest.raises(SpecError, match=r"^pathprox: the model is compiled.*before torch"):
            split(model, params, [], "pathprox")


@pytest.mark.parametrize("kind", ["pathprox", "path_norm", "group_lasso", "weight_norm_decay"])
def test_every_method_that_needs_units_names_itself(kind: str) -> None:
    method = REGULARIZERS[kind]
    strength = "decay" if kind == "weight_norm_decay" else "strength"
    config = method.config.model_validate({"kind": kind, strength: 0.1})
    with pytest.raises(SpecError, match=f"^{kind}: the model has no homogeneous units"):
        method.plan(nn.Linear(5, 3), stacked([nn.Linear(5, 3)]), config)


def test_subclasses_that_act_as_layers_are_layers() -> None:
    class Named(nn.Linear):
        pass

    class Halved(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) / 2 + 1

    assert find_groups(nn.Sequential(Named(5, 5), nn.ReLU(), nn.Linear(5, 3))) != []
    assert find_groups(nn.Sequential(Halved(5, 5), nn.ReLU(), nn.Linear(5, 3))) == []


def test_vgg19_has_the_papers_2752_units() -> None:
    layers = [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4]
    vgg = MODELS["vgg"]
    with torch.device("meta"):
        model = vgg.build(vgg.config(kind="vgg", layers=layers), (3, 32, 32), 10)
    widths = [model.get_parameter(g.first).shape[0] for g in find_groups(model)]
    assert widths == [64, 128, 256, 256, 512, 512, 512, 512]
    assert sum(widths) == 2752
