"""What the training core needs of every registered model."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from regsearch.models import MODELS

SHAPE, CLASSES, RUNS, EXAMPLES = (1, 8, 8), 4, 3, 6


def make(name: str) -> nn.Module:
    return MODELS[name].build(MODELS[name].config(kind=name), SHAPE, CLASSES)


@pytest.mark.parametrize("name", MODELS)
def test_a_stack_computes_what_each_model_computes_alone(name: str) -> None:
    models = [make(name).eval() for _ in range(RUNS)]
    params, buffers = stack_module_state(models)
    x = torch.randn(EXAMPLES, *SHAPE)
    together = vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(params, buffers)
    assert together.shape == (RUNS, EXAMPLES, CLASSES)
    for k, model in enumerate(models):
        torch.testing.assert_close(together[k], model(x))


@pytest.mark.parametrize("name", MODELS)
def test_stacked_gradients_are_one_graph_and_equal_autograds(name: str) -> None:
    models = [make(name) for _ in range(RUNS)]
    stacked, buffers = stack_module_state(models)
    params = {key: value.detach() for key, value in stacked.items()}
    x, y = torch.randn(RUNS, EXAMPLES, *SHAPE), torch.randint(CLASSES, (RUNS, EXAMPLES))

    def loss(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(models[0], (p, b), (x,)), y)

    step = torch.compile(vmap(grad_and_value(loss)), backend="eager", fullgraph=True)
    grads, losses = step(params, buffers, x, y)
    for k, model in enumerate(models):
        alone = F.cross_entropy(model(x[k]), y[k])
        alone.backward()
        torch.testing.assert_close(losses[k], alone.detach())
        for key, parameter in model.named_parameters():
            torch.testing.assert_close(grads[key][k], parameter.grad)


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_builds_the_same_weights(name: str) -> None:
    torch.manual_seed(5)
    first = make(name).state_dict()
    torch.manual_seed(5)
    second = make(name).state_dict()
    torch.manual_seed(6)
    other = make(name).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
