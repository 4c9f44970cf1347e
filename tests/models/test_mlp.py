import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from regsearch.models import MODELS
from regsearch.models.mlp import Mlp, build


def test_output_is_the_matrix_formula() -> None:
    model = build(Mlp(widths=[5, 4]), (1, 2, 3), 3)
    x = torch.randn(7, 1, 2, 3)
    w1, b1, w2, b2, w3, b3 = (parameter.detach().numpy() for parameter in model.parameters())
    hidden = np.maximum(x.numpy().reshape(7, 6) @ w1.T + b1, 0)
    hidden = np.maximum(hidden @ w2.T + b2, 0)
    torch.testing.assert_close(model(x).detach(), torch.from_numpy(hidden @ w3.T + b3))


def test_no_hidden_layer_is_softmax_regression() -> None:
    model = build(Mlp(widths=[]), (6,), 3)
    x = torch.randn(2, 6)
    weight, bias = model.parameters()
    torch.testing.assert_close(model(x), x @ weight.T + bias)


def test_default_is_one_layer_of_128() -> None:
    config = MODELS["mlp"].config()
    model = MODELS["mlp"].build(config, (1, 8, 8), 10)
    assert sum(p.numel() for p in model.parameters()) == 64 * 128 + 128 + 128 * 10 + 10


def test_initial_weights_are_uniform_within_torchs_bound() -> None:
    first = next(build(Mlp(widths=[1000]), (100,), 10).parameters())
    assert 0.099 < first.abs().max() <= 0.1  # 1 / sqrt(fan_in)


@pytest.mark.parametrize("widths", [[0], [-3], [1.5], ["8"], 128])
def test_impossible_widths_are_refused(widths: object) -> None:
    with pytest.raises(ValidationError):
        Mlp.model_validate({"widths": widths})


def test_batch_norm_stands_between_linear_and_relu() -> None:
    model = build(Mlp(widths=[5, 4], norm="batch", bias=False), (6,), 3)
    kinds = ["Flatten", *["Linear", "BatchNorm1d", "ReLU"] * 2, "Linear"]
    assert [type(layer).__name__ for layer in model] == kinds
    x = torch.randn(7, 6)
    w1, w2, w3 = (p.detach().numpy() for p in model.parameters() if p.ndim == 2)
    hidden = x.numpy()
    for weight in (w1, w2):
        z = hidden @ weight.T
        hidden = np.maximum((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5), 0)
    torch.testing.assert_close(model(x).detach(), torch.from_numpy(hidden @ w3.T))


@pytest.mark.parametrize(("norm", "per_unit"), [("none", 0), ("batch", 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_what_norm_and_bias_add(norm: str, per_unit: int, bias: bool) -> None:
    config = Mlp.model_validate({"widths": [5, 4], "norm": norm, "bias": bias})
    count = sum(parameter.numel() for parameter in build(config, (6,), 3).parameters())
    assert count == 6 * 5 + 5 * 4 + 4 * 3 + bias * (5 + 4 + 3) + per_unit * (5 + 4)
    regression = build(Mlp(widths=[], norm="batch", bias=bias), (6,), 3)
    assert list(dict(regression.named_parameters())) == ["1.weight", "1.bias"][: 1 + bias]


def test_a_stack_with_batch_norm_trains_each_run_as_alone() -> None:
    models = [build(Mlp(widths=[5], norm="batch"), (6,), 3) for _ in range(3)]
    params, buffers = stack_module_state(models)
    x = torch.randn(8, 6)

    def forward(p: dict[str, Tensor], b: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        seen = {name: buffer.clone() for name, buffer in b.items()}
        return functional_call(models[0], (p, seen), (x,)), seen

    outputs, seen = vmap(forward)(params, buffers)
    for k, model in enumerate(models):
        torch.testing.assert_close(outputs[k], model(x))
        for name, buffer in model.named_buffers():
            torch.testing.assert_close(seen[name][k], buffer)


@pytest.mark.parametrize("wrong", [{"norm": "layer"}, {"norm": True}, {"bias": 1}])
def test_impossible_norms_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Mlp.model_validate(wrong)
