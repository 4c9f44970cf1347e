"""AdaDecay against its equations written out, and the oracles ADA-O1 to O7."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.own_loop import attach, constrain
from regsearch.regularizers import adadecay, weight_decay
from regsearch.regularizers.adadecay import AdaDecay, factors, plan
from regsearch.regularizers.weight_decay import WeightDecay

Array = np.ndarray[Any, np.dtype[np.float64]]


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).double()


def tensors(runs: int, dtype: torch.dtype = torch.float64) -> tuple[Tree, Tree]:
    """Parameters and gradients of ``net`` for some runs, on scales of their own."""
    named = list(net().named_parameters())
    params = {n: torch.randn(runs, *p.shape, dtype=dtype) for n, p in named}
    grads = {n: torch.randn_like(p) * 10.0**-i for i, (n, p) in enumerate(params.items())}
    return params, grads


def theta_of(layer: list[Array], steepness: float) -> list[Array]:
    """Equations of the paper for one layer of one run, in NumPy."""
    sizes = np.abs(np.concatenate([array.ravel() for array in layer]))
    scores = [(np.abs(array) - sizes.mean()) / sizes.std() for array in layer]
    return [2 / (1 + np.exp(-steepness * score)) for score in scores]


def theta(grads: Tree, steepness: float | list[float], **settings: Any) -> Tree:
    runs = len(next(iter(grads.values())))
    config = AdaDecay(decay=0.1, **settings)
    like = next(iter(grads.values())).dtype
    values = torch.tensor(steepness, dtype=like).expand(runs)
    return factors(grads, values, plan(net(), grads, config))


@pytest.mark.parametrize(
    ("layer", "together"),
    [
        ("tensor", lambda name: name),
        ("module", lambda name: name.split(".")[0]),
        ("model", lambda name: ""),
    ],
)
def test_factors_follow_the_equations_in_every_layer_of_every_run(
    layer: str, together: Any
) -> None:
    _, grads = tensors(3)
    steepness = [4.0, -1.0, 2.5]
    ours = theta(grads, steepness, layer=layer)
    assert list(ours) == list(grads)
    for k, alpha in enumerate(steepness):
        for key in {together(name) for name in grads}:
            names = [name for name in grads if together(name) == key]
            expected = theta_of([grads[name][k].numpy() for name in names], alpha)
            for name, value in zip(names, expected, strict=True):
                torch.testing.assert_close(
                    ours[name][k], torch.from_numpy(value), rtol=1e-6, atol=1e-9
                )


@pytest.mark.parametrize("coupled", [True, False])
def test_the_decay_enters_where_it_says(coupled: bool) -> None:
    params, grads = tensors(2)
    decay, lr = torch.tensor([0.3, 0.0]).double(), torch.tensor([0.1, 0.2]).double()
    hp = {"decay": decay, "lr": lr, "steepness": torch.tensor([4.0, 4.0]).double()}
    config = AdaDecay(decay=0.3, coupled=coupled)
    planned = plan(net(), params, config)
    new_grads = adadecay.on_grads(grads, params, hp, planned)
    new_params = adadecay.before_step(params, new_grads, hp, planned)
    for name, factor in theta(grads, 4.0).items():
        if coupled:
            expected = grads[name][0] + 0.3 * factor[0] * params[name][0]
            torch.testing.assert_close(new_grads[name][0], expected)
            assert torch.equal(new_params[name], params[name])
        else:
            expected = (1 - 0.1 * 0.3 * factor[0]) * params[name][0]
            torch.testing.assert_close(new_params[name][0], expected)
            assert torch.equal(new_grads[name], grads[name])
        assert torch.equal(new_grads[name][1], grads[name][1])  # ADA-O6: decay 0
        assert torch.equal(new_params[name][1], params[name][1])


@pytest.mark.parametrize("coupled", [True, False])
@pytest.mark.parametrize("layer", ["tensor", "module", "model"])
def test_o1_at_steepness_zero_it_is_weight_decay_to_the_bit(coupled: bool, layer: Any) -> None:
    params, grads = tensors(2, torch.float32)
    hp = {"decay": torch.tensor([0.3, 1e-3]), "lr": torch.tensor([0.1, 1.0])}
    ours = AdaDecay(decay=0.3, steepness=0.0, coupled=coupled, layer=layer)
    theirs = WeightDecay(decay=0.3, coupled=coupled, scope="all")
    results = []
    for method, config in ((adadecay, ours), (weight_decay, theirs)):
        planned = method.plan(net(), params, config)
        values = hp | {"steepness": torch.zeros(2)}
        new = method.on_grads(grads, params, values, planned)
        results.append((new, method.before_step(params, new, values, planned)))
    for name in params:
        assert torch.equal(results[0][0][name], results[1][0][name])
        assert torch.equal(results[0][1][name], results[1][1][name])


def test_o1_and_o6_whole_trajectories_are_those_of_torchs_sgd() -> None:
    def trained(weight_decay: float, **hp: Any) -> list[Tensor]:
        model = net()
        optimizer = torch.optim.SGD(
            model.parameters(), lr=0.1, momentum=0.9, weight_decay=weight_decay
        )
        if hp:
            attach(optimizer, model, "adadecay", **hp)
        torch.manual_seed(1)
        for _ in range(6):
            optimizer.zero_grad()
            x, y = torch.randn(16, 5).double(), torch.randint(0, 3, (16,))
            nn.functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return [param.detach() for param in model.parameters()]

    for ours, theirs in (
        (trained(0.0, decay=0.05, steepness=0.0), trained(0.05)),
        (trained(0.0, decay=0.0, steepness=4.0), trained(0.0)),
    ):
        for value, expected in zip(ours, theirs, strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-14)
    for value, other in zip(trained(0.0, decay=0.05), trained(0.05), strict=True):
        assert not torch.allclose(value, other)


def test_o2_factors_are_in_0_2_and_above_1_where_the_gradient_is_large() -> None:
    _, grads = tensors(2)
    up, down = theta(grads, 4.0), theta(grads, -4.0)
    for name, grad in grads.items():
        size = grad.abs()
        large = size > size.flatten(1).mean(1).view(-1, *[1] * (size.ndim - 1))
        assert ((up[name] > 0) & (up[name] < 2)).all()
        assert torch.equal(up[name] > 1, large)
        torch.testing.assert_close(down[name], 2 - up[name])


def test_o3_at_great_steepness_it_is_a_threshold_at_the_mean() -> None:
    _, grads = tensors(2)
    for name, value in theta(grads, 1e9).items():
        size = grads[name].abs()
        large = size > size.flatten(1).mean(1).view(-1, *[1] * (size.ndim - 1))
        assert torch.equal(value, 2 * large.double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [2.0**-80, 2.0**-20, 2.0**60])
def test_o4_the_scale_of_the_loss_has_no_effect(dtype: torch.dtype, scale: float) -> None:
    """To the bit for powers of two, although the squares leave the range of float32."""
    _, grads = tensors(2, dtype)
    scaled = {name: grad * scale for name, grad in grads.items()}
    for layer in ("tensor", "model"):
        before, after = theta(grads, 4.0, layer=layer), theta(scaled, 4.0, layer=layer)
        for name in grads:
            assert torch.equal(before[name], after[name])


@pytest.mark.parametrize(
    ("steepness", "dense", "sparse"),
    [(-1, 1.022, None), (1, 0.978, 0.959), (2, 0.932, 0.860), (4, 0.881, 0.703), (8, 0.858, 0.611)],
)
def test_o5_the_mean_factor_is_not_one(
    steepness: float, dense: float, sparse: float | None
) -> None:
    normal = torch.randn(1, 1_000_000)
    values = torch.tensor([float(steepness)])
    layers = adadecay.Layers([["w"]], coupled=True, renormalize=False)
    mean = factors({"w": normal}, values, layers)["w"].mean()
    assert float(mean) == pytest.approx(dense, abs=2e-3)
    if sparse is not None:
        some = normal * (torch.rand(normal.shape) >= 0.6)
        mean = factors({"w": some}, values, layers)["w"].mean()
        assert float(mean) == pytest.approx(sparse, abs=2e-3)


def test_o7_other_tensors_have_no_part_in_it() -> None:
    _, grads = tensors(2)
    name, *others = grads
    rescaled = grads | {other: 100 * grads[other] for other in others}
    assert torch.equal(theta(grads, 4.0)[name], theta(rescaled, 4.0)[name])
    pooled = [theta(g, 4.0, layer="model")[name] for g in (grads, rescaled)]
    assert not torch.allclose(pooled[0], pooled[1])


@pytest.mark.parametrize("value", [0.0, 1e-30, 0.1, 7e8])
@pytest.mark.parametrize("shape", [(1,), (3, 1), (), (4, 10)])
def test_gradients_of_one_size_decay_at_the_plain_rate(
    value: float, shape: tuple[int, ...]
) -> None:
    """A single element, a dead layer, or all of one size up to rounding: no one stands out."""
    layers = adadecay.Layers([["w"]], coupled=True, renormalize=False)
    signs = torch.randn(2, *shape).sign()
    found = factors({"w": value * signs}, torch.tensor([4.0, -4.0]), layers)["w"]
    torch.testing.assert_close(found, torch.ones(2, *shape), rtol=0, atol=1e-6)
    if value == 0 or not shape:
        assert torch.equal(found, torch.ones(2, *shape))


@pytest.mark.parametrize("spread", [1e-2, 1e-4])
def test_small_differences_are_resolved_as_well_as_the_gradients_are_known(spread: float) -> None:
    grad = (1 + spread * torch.randn(1, 1000, dtype=torch.float64)).float()
    exact = (grad.double() - grad.double().mean()) / grad.double().std(correction=0)
    found = adadecay.scores({"w": grad})["w"]
    torch.testing.assert_close(found.double(), exact, rtol=2e-5, atol=1e-2 * 2**-24 / spread)


def test_differences_of_a_rounding_are_none() -> None:
    grad = 1 + 2**-23 * torch.randint(0, 2, (1, 1000)).float()
    assert float(adadecay.scores({"w": grad})["w"].abs().max()) < 0.2


@pytest.mark.parametrize("layer", ["tensor", "module", "model"])
def test_renormalized_factors_have_mean_one_over_the_layer(layer: str) -> None:
    _, grads = tensors(2)
    plain, ours = theta(grads, 8.0, layer=layer), theta(grads, 8.0, layer=layer, renormalize=True)
    layers = plan(net(), grads, AdaDecay(decay=0.1, layer=layer)).names  # type: ignore[arg-type]
    for names in layers:
        values = torch.cat([ours[name].flatten(1) for name in names], 1)
        torch.testing.assert_close(values.mean(1), torch.ones(2).double())
        ratio = torch.cat([(ours[n] / plain[n]).flatten(1) for n in names], 1)
        torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))


def test_every_parameter_is_in_scope_by_default() -> None:
    params, _ = tensors(1)
    names = plan(net(), params, AdaDecay(decay=0.1)).names
    assert [name for layer in names for name in layer] == list(params)
    weights = plan(net(), params, AdaDecay(decay=0.1, scope="weights")).names
    assert weights == [["0.weight"], ["3.weight"]]


@pytest.mark.parametrize(("kind", "hp"), [("enc", {"learnable": "layer"}), ("weight_norm", {})])
def test_a_parametrized_weight_stays_with_its_bias_and_learnt_scales_do_not_decay(
    kind: str, hp: dict[str, Any]
) -> None:
    model = constrain(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), kind, head="bare", **hp)
    params = {name: param.detach()[None] for name, param in model.named_parameters()}
    raw = "parametrizations.weight.original" + ("1" if kind == "weight_norm" else "")
    found = plan(model, params, AdaDecay(decay=0.1, layer="module")).names
    assert [set(names) for names in found] == [{f"{i}.{raw}", f"{i}.bias"} for i in (0, 1)]


def test_excluded_parameters_do_not_decay() -> None:
    params, _ = tensors(1)
    names = plan(net(), params, AdaDecay(decay=0.1, exclude=["1.*", "*.bias"])).names
    assert names == [["0.weight"], ["3.weight"]]


def test_negative_decay_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        AdaDecay(decay=-1e-4)
