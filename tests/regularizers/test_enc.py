"""The equal norm constraint against its equations, and against what batch norm makes of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.functional import cross_entropy

from regsearch.datasets import DATASETS
from regsearch.errors import RegsearchError
from regsearch.own_loop import attach, constrain
from regsearch.regularizers.enc import Enc, build
from regsearch.train.effective import effective_weights
from regsearch.train.engine import Engine
from regsearch.train.initial import build_model
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task

FORMS = ["ws", "wn", "norm", "centred"]
CENTRED, BY_ROWS = ("ws", "centred"), ("ws", "wn")


@pytest.fixture
def torch_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def constrained(layer: nn.Module, **values: Any) -> tuple[Tensor, Tensor]:
    """Effective weights and the raw ones that they come from."""
    model = build(layer, Enc.model_validate({"kind": "enc", "head": "bare", **values}))
    raw: Tensor = model.parametrizations.weight.original  # type: ignore[union-attr, assignment]
    return model.weight, raw  # type: ignore[return-value]


LAYERS = {
    "linear": lambda: nn.Linear(7, 5),
    "conv": lambda: nn.Conv2d(4, 6, 3),
    "grouped": lambda: nn.Conv1d(4, 6, 3, groups=2),
    "depthwise": lambda: nn.Conv3d(3, 3, 2, groups=3),
}


@pytest.mark.parametrize(
    ("form", "alpha", "layer"), list(product(FORMS, [0.5, 1.0, 2.0, 0.3], LAYERS))
)
def test_the_squared_norm_is_alpha(form: str, alpha: float, layer: str) -> None:
    weight, _ = constrained(LAYERS[layer]().double(), form=form, alpha=alpha)
    assert float(weight.detach().square().sum()) == pytest.approx(alpha, rel=1e-14)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_its_equation(form: str) -> None:
    weight, raw = constrained(nn.Conv2d(2, 3, 2).double(), form=form, alpha=2.0)
    w, m, n = raw.detach().numpy().reshape(3, 8), 3, 8
    expected = {
        "norm": lambda: 2**0.5 * w / (w**2).sum() ** 0.5,
        "wn": lambda: (2 / m) ** 0.5 * w / (w**2).sum(1, keepdims=True) ** 0.5,
        "ws": lambda: (
            (2 / (m * n)) ** 0.5 * (w - w.mean(1, keepdims=True)) / w.std(1, ddof=0, keepdims=True)
        ),
        "centred": lambda: 2**0.5 * (w - w.mean()) / ((w - w.mean()) ** 2).sum() ** 0.5,
    }[form]()
    torch.testing.assert_close(weight.detach().view(3, 8), torch.from_numpy(expected))


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_equal_and_centred_where_the_form_says_so(form: str) -> None:
    weight, _ = constrained(nn.Linear(9, 4).double(), form=form, alpha=2.0)
    lengths, means = weight.square().sum(1), weight.mean(1)
    assert torch.allclose(lengths, torch.full_like(lengths, 0.5)) == (form in BY_ROWS)
    assert torch.allclose(means, torch.zeros_like(means), atol=1e-15) == (form == "ws")
    assert (abs(float(weight.detach().mean())) < 1e-15) == (form in CENTRED)


def test_equation_22_as_printed_is_too_small_by_the_length_of_a_row() -> None:
    """Dividing by a row's norm and by sqrt(m n) gives alpha / n; the constraint asks for alpha."""
    weight, raw = constrained(nn.Linear(7, 5).double(), form="ws")
    off = raw - raw.mean(1, keepdim=True)
    printed = off / (5 * 7) ** 0.5 / off.norm(dim=1, keepdim=True)
    assert float(printed.detach().square().sum()) == pytest.approx(1 / 7)
    torch.testing.assert_close(weight, 7**0.5 * printed)


@pytest.mark.parametrize("form", FORMS)
def test_the_gradient_has_no_part_along_the_scale(form: str) -> None:
    """Euler: a function of degree 0 has a gradient orthogonal to its argument, row by row."""
    weight, raw = constrained(nn.Linear(7, 5).double(), form=form)
    (weight @ torch.randn(7, 4).double()).exp().sum().backward()
    assert raw.grad is not None
    along = (raw.grad * raw).sum(1) if form in BY_ROWS else (raw.grad * raw).sum()
    torch.testing.assert_close(along, torch.zeros_like(along), atol=1e-13, rtol=0)
    assert float(raw.grad.abs().max()) > 1e-3
    if form in CENTRED:  # a shift changes nothing either
        summed = raw.grad.sum(1) if form == "ws" else raw.grad.sum()
        torch.testing.assert_close(summed, torch.zeros_like(summed), atol=1e-13, rtol=0)


def normed(eps: float) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4, eps=eps),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 6),
        nn.BatchNorm1d(6, eps=eps),
        nn.ReLU(),
        nn.Linear(6, 3),
    ).double()


@pytest.mark.parametrize(("form", "learnable"), list(product(FORMS, ["none", "layer", "shared"])))
def test_batch_norm_behind_makes_alpha_immaterial(form: str, learnable: str) -> None:
    """Function and gradients are the same for every alpha, and a learnable one is not moved."""
    x, y = torch.randn(12, 1, 4, 4).double(), torch.randint(0, 3, (12,))
    seen = []
    for alpha in (0.5, 2.0):
        model = constrain(normed(1e-30), "enc", alpha=alpha, form=form, learnable=learnable)
        logits = model(x)
        cross_entropy(logits, y).backward()
        grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        rhos = [grad for name, grad in grads.items() if name.endswith("rho")]
        assert len(rhos) == {"none": 0, "layer": 2, "shared": 1}[learnable]
        assert all(float(rho.abs()) < 1e-14 for rho in rhos)
        seen.append((logits.detach(), grads))
    torch.testing.assert_close(seen[0][0], seen[1][0], rtol=1e-6, atol=1e-12)
    for name, grad in seen[0][1].items():
        torch.testing.assert_close(grad, seen[1][1][name], rtol=1e-6, atol=1e-12)
    assert float(seen[0][1]["0.parametrizations.weight.original"].abs().max()) > 1e-3


@pytest.mark.parametrize("learnable", ["layer", "shared"])
def test_learnt_norms_start_at_alpha_and_are_equal_if_shared(learnable: str) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    constrain(model, "enc", alpha=2.0, learnable=learnable, head="bare")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    attach(optimizer, model, "weight_decay", decay=0.1)
    assert squared_norms(model) == pytest.approx([2.0] * 3, rel=1e-5)
    for _ in range(5):
        optimizer.zero_grad()
        cross_entropy(model(torch.randn(16, 4)), torch.randint(0, 2, (16,))).backward()
        optimizer.step()
    norms = squared_norms(model)
    assert (max(norms) - min(norms) < 1e-5) == (learnable == "shared")
    assert max(abs(norm - 2) for norm in norms) > 1e-3
    assert len([n for n, _ in model.named_parameters() if n.endswith("rho")]) in (1, 3)


def squared_norms(model: nn.Module) -> list[float]:
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    return [float(layer.weight.detach().square().sum()) for layer in layers]


def test_a_scalar_does_not_decay_with_the_weights() -> None:
    model = nn.Linear(6, 3)
    constrain(model, "enc", learnable="layer", head="bare")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    attach(optimizer, model, "weight_decay", decay=0.1)
    before = {name: param.detach().clone() for name, param in model.named_parameters()}
    for param in model.parameters():
        param.grad = torch.ones_like(param)
    optimizer.step()
    after = dict(model.named_parameters())
    rho, raw = "parametrizations.weight.0.target.rho", "parametrizations.weight.original"
    torch.testing.assert_close(after[rho].detach(), before[rho] - 0.5)
    torch.testing.assert_close(after[raw].detach(), 0.95 * before[raw] - 0.5)


@pytest.mark.parametrize(
    ("form", "shape", "equal"),
    [
        ("ws", (5, 2), "wn"),  # standardised, two weights are 1 and -1 whatever they were
        ("ws", (5, 1), "norm"),
        ("wn", (5, 1), "norm"),
        ("centred", (1, 2), "norm"),
        ("centred", (2, 1), "norm"),
    ],
)
def test_a_row_too_short_for_its_form_gets_a_simpler_one(
    form: str, shape: tuple[int, int], equal: str
) -> None:
    torch.manual_seed(1)
    weight, raw = constrained(nn.Linear(shape[1], shape[0]).double(), form=form)
    torch.manual_seed(1)
    simpler, _ = constrained(nn.Linear(shape[1], shape[0]).double(), form=equal)
    torch.testing.assert_close(weight, simpler)
    (weight * torch.randn_like(weight)).sum().backward()
    assert raw.grad is not None
    assert float(raw.grad.abs().max()) > 1e-6, "nothing could be learnt"


def test_a_single_weight_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 4))
    constrain(model, "enc", head="bare")
    assert type(model[0]) is nn.Linear
    assert float(model[1].weight.detach().square().sum()) == pytest.approx(1.0)
    with pytest.raises(RegsearchError, match=r"enc has no layer to act on: .*single weights"):
        constrain(nn.Linear(1, 1), "enc", head="bare")


@pytest.mark.parametrize("learnable", ["none", "layer", "shared"])
def test_a_pack_with_an_alpha_each_is_each_model_alone(learnable: str) -> None:
    """Stacked parameters and buffers, gradients by vmap, and a model without data."""
    x, y = torch.randn(12, 1, 4, 4).double(), torch.randint(0, 3, (12,))
    alphas = (0.5, 1.0, 3.0)
    alone = [constrain(normed(1e-3), "enc", alpha=a, learnable=learnable) for a in alphas]
    empty = copy.deepcopy(alone[0]).to("meta")
    grads, losses = gradients(empty, x, y)(*stacked(alone))
    assert len(set(losses.tolist())) == 3, "alpha matters through the eps of batch norm"
    for k, model in enumerate(alone):
        expected = cross_entropy(model(x), y)
        expected.backward()
        torch.testing.assert_close(losses[k], expected.detach())
        for name, param in model.named_parameters():
            torch.testing.assert_close(grads[name][k], param.grad)
    left = [*empty.parameters(), *empty.buffers()]
    assert all(tensor.is_meta for tensor in left), "a call leaves nothing behind in the model"


def test_a_pack_is_one_graph() -> None:
    layers = [nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)]
    model = constrain(nn.Sequential(*layers), "enc", learnable="shared", head="bare")
    x, y = torch.randn(6, 4), torch.randint(0, 2, (6,))
    step = gradients(model, x, y)
    fast = torch.compile(step, backend="eager", fullgraph=True)
    torch.testing.assert_close(fast(*stacked([model] * 2)), step(*stacked([model] * 2)))


Tree = dict[str, Tensor]


def gradients(
    model: nn.Module, x: Tensor, y: Tensor
) -> Callable[[Tree, Tree], tuple[Tree, Tensor]]:
    def loss(params: Tree, buffers: Tree) -> Tensor:
        buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        return cross_entropy(functional_call(model, (params, buffers), (x,)), y)

    return vmap(grad_and_value(loss))


def stacked(models: list[nn.Module]) -> tuple[Tree, Tree]:
    def stack(trees: list[dict[str, Tensor]]) -> Tree:
        return {name: torch.stack([tree[name].detach() for tree in trees]) for name in trees[0]}

    params = stack([dict(model.named_parameters()) for model in models])
    return params, stack([dict(model.named_buffers()) for model in models])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("torch_as_before")
def test_all_layers_of_all_runs_keep_their_norms_in_training(form: str) -> None:
    alphas = [0.5, 1.0, 2.0, 4.0]
    tasks = [
        Task.model_validate(
            {
                "dataset": {"kind": "digits", "train_size": 60},
                "model": {"kind": "mlp", "widths": [6, 5], "norm": "batch"},
                "train": {
                    "optimizer": {"kind": "sgd", "lr": 0.3, "momentum": 0.9},
                    "epochs": 2,
                    "batch_size": 20,
                },
                "regularizers": [
                    {"kind": "enc", "alpha": alpha, "form": form, "head": "bn"},
                    {"kind": "shifted_decay", "decay": 0.01, "form": form},
                ],
                "seed": 0,
            }
        )
        for alpha in alphas
    ]
    pack, model = (
        PackTraining(tasks, Engine()),
        build_model(tasks[0], DATASETS["digits"].load(tasks[0].dataset)),
    )
    begun = {name: param.clone() for name, param in pack.state.params.items()}
    while not pack.done:
        measured = pack.run_epoch()
        weights = effective_weights(model, pack.state.params, pack.state.buffers)
        matrices = [weight for weight in weights.values() if weight.ndim == 3]
        for matrix in matrices:
            torch.testing.assert_close(matrix.square().sum((1, 2)), torch.tensor(alphas))
        expected = [(len(matrices) * alpha) ** 0.5 for alpha in alphas]
        assert measured["weight_norm"].tolist() == pytest.approx(expected, rel=1e-5)
    raw = [name for name in begun if name.endswith("original")]
    assert len(raw) == len(matrices) == 3
    assert not [name for name in raw if torch.equal(pack.state.params[name], begun[name])]


def test_impossible_values_are_refused() -> None:
    for wrong in ({"alpha": 0.0}, {"alpha": -1.0}, {"form": "bn"}, {"learnable": "no"}):
        with pytest.raises(RegsearchError, match=rf"enc\.{next(iter(wrong))}: "):
            constrain(nn.Linear(3, 3), "enc", **wrong)
