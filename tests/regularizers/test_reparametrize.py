"""What the methods that re-parametrise layers share: which layers, the head, and folding."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from regsearch.errors import RegsearchError
from regsearch.own_loop import constrain
from regsearch.regularizers.reparametrize import fold

METHODS = ["enc", "weight_norm", "weight_standardization"]


class Net(nn.Module):
    """Has one of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose2d(4, 4, 2)
        self.hidden = nn.Linear(36, 8)
        self.table = nn.Embedding(5, 8)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = self.up(self.norm(self.stem(x)).relu()).flatten(1)
        return self.fc(self.hidden(features) + self.table.weight.mean(0))


X = (6, 2, 4, 4)


def names(model: nn.Module) -> set[str]:
    return {name for name, module in model.named_modules() if parametrize.is_parametrized(module)}


@pytest.mark.parametrize("method", METHODS)
def test_linear_and_convolutional_layers_but_the_last_are_taken(method: str) -> None:
    model = Net()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    assert constrain(model, method) is model
    assert names(model) == {"stem", "hidden"}
    params = dict(model.named_parameters())
    for name, value in state.items():
        if name in params:
            assert torch.equal(params[name], value)
    assert model(torch.randn(X)).shape == (6, 3)


@pytest.mark.parametrize("method", METHODS)
def test_heads(method: str) -> None:
    bare = constrain(Net(), method, head="bare")
    assert names(bare) == {"stem", "hidden", "fc"}
    normed = constrain(Net().double().eval(), method, head="bn")
    assert names(normed) == {"stem", "hidden", "fc.0"}
    assert not normed.training
    assert not normed.get_submodule("fc").training
    logits = normed.train()(torch.randn(X).double())
    assert logits.dtype == torch.float64
    torch.testing.assert_close(logits.mean(0), torch.zeros(3).double(), atol=1e-12, rtol=0)
    conv = constrain(nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 2)), method, head="bn")
    channels = conv(torch.randn(X)).mean((0, 2, 3))
    torch.testing.assert_close(channels, torch.zeros(3), atol=1e-5, rtol=0)


def test_a_model_that_is_its_head_is_wrapped() -> None:
    layer = nn.Linear(4, 3)
    model = constrain(layer, "enc", head="bn")
    assert isinstance(model, nn.Sequential)
    assert model[0] is layer
    assert isinstance(model[1], nn.BatchNorm1d)


@pytest.mark.parametrize("method", METHODS)
def test_models_without_a_layer_to_act_on_are_refused(method: str) -> None:
    with pytest.raises(RegsearchError, match=rf"{method} acts on .*Linear.*only Embedding, Seq"):
        constrain(nn.Sequential(nn.Embedding(3, 4)), method)
    softmax_regression = nn.Sequential(nn.Flatten(), nn.Linear(6, 3))
    with pytest.raises(RegsearchError, match=r"'exempt'.*'1' \(Linear \[3, 6\]\); write head: ba"):
        constrain(softmax_regression, method)
    assert not names(softmax_regression)


@pytest.mark.parametrize("first", METHODS)
@pytest.mark.parametrize("second", METHODS)
def test_a_layer_is_re_parametrised_once(first: str, second: str) -> None:
    model = constrain(Net(), first)
    with pytest.raises(RegsearchError, match=rf"{second} finds 'stem' \(Conv2d \[4, 2, 3, 3\]\)"):
        constrain(model, second)
    assert names(constrain(fold(model), second)) == {"stem", "hidden"}


@pytest.mark.parametrize("method", ["enc", "weight_norm"])
def test_weights_without_a_direction_are_refused_and_the_model_is_as_before(method: str) -> None:
    model = Net()
    nn.init.zeros_(model.hidden.weight[2:3].detach())
    if method == "enc":
        nn.init.ones_(model.hidden.weight)
    with pytest.raises(RegsearchError, match=rf"{method}: layer 'hidden' starts with weights"):
        constrain(model, method)
    assert not names(model)
    nn.init.normal_(model.hidden.weight)
    assert names(constrain(model, method)) == {"stem", "hidden"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("head", ["exempt", "bn"])
def test_folding_keeps_the_function_and_leaves_plain_layers(method: str, head: str) -> None:
    model = constrain(Net().double(), method, head=head).eval()
    for layer in (model.stem, model.hidden):
        nn.init.normal_(layer.bias)  # type: ignore[union-attr, arg-type]
    x = torch.randn(X).double()
    before, copied = model(x), copy.deepcopy(model)
    folded = fold(model)
    assert folded is model
    assert not names(folded)
    assert type(folded.stem) is nn.Conv2d
    assert not [n for n in folded.state_dict() if "parametrizations" in n]
    torch.testing.assert_close(folded(x), before, rtol=0, atol=0)
    torch.testing.assert_close(pickle.loads(pickle.dumps(folded))(x), before, rtol=0, atol=0)
    torch.testing.assert_close(copied(x), before, rtol=0, atol=0)
    assert names(copied), "a copy is not folded with it"
    assert torch.equal(fold(folded)(x), before)
    assert all(param.requires_grad for param in folded.parameters())


def test_folding_takes_every_parametrization_and_keeps_frozen_weights_frozen() -> None:
    model = Net()
    model.hidden.weight.requires_grad_(False)
    spectral_norm(model.fc)
    constrain(model.stem, "enc", head="bare")
    constrain(model.hidden, "weight_standardization", head="bare")
    assert names(fold(model)) == set()
    assert model.stem.weight.requires_grad
    assert not model.hidden.weight.requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_a_plain_loop_saves_and_loads(method: str) -> None:
    model, other = constrain(Net(), method), constrain(Net(), method)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(X)).square().mean().backward()
        optimizer.step()
    other.load_state_dict(model.state_dict())
    x = torch.randn(X)
    assert torch.equal(other.eval()(x), model.eval()(x))
