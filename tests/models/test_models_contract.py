"""What the training core needs of every registered model."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from regsearch.models import MODELS
from tests.small_models import CLASSES, ONE_GRAPH, inputs, make

RUNS, EXAMPLES = 2, 6

Tree = dict[str, Tensor]


@pytest.mark.parametrize("name", MODELS)
def test_a_stack_computes_what_each_model_computes_alone(name: str) -> None:
    models = [make(name).eval() for _ in range(RUNS)]
    params, buffers = stack_module_state(models)
    x = inputs(name, EXAMPLES)
    together = vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(params, buffers)
    assert together.shape == (RUNS, EXAMPLES, CLASSES)
    for k, model in enumerate(models):
        torch.testing.assert_close(together[k], model(x))


@pytest.mark.parametrize("name", MODELS)
def test_stacked_gradients_equal_autograds_and_are_one_graph(name: str) -> None:
    models = [make(name) for _ in range(RUNS)]
    stacked, stacked_buffers = stack_module_state(models)
    params = {key: value.detach() for key, value in stacked.items()}
    x, y = inputs(name, RUNS, EXAMPLES), torch.randint(CLASSES, (RUNS, EXAMPLES))

    def loss(p: Tree, b: Tree, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(models[0], (p, b), (x,)), y)

    def step(p: Tree, b: Tree, x: Tensor, y: Tensor) -> tuple[Tree, Tensor, Tree]:
        b = {key: value.clone() for key, value in b.items()}
        grads, losses = vmap(grad_and_value(loss))(p, b, x, y)
        return grads, losses, b

    torch.compiler.reset()
    run = torch.compile(step, backend="eager", fullgraph=True) if name in ONE_GRAPH else step
    grads, losses, buffers = run(params, stacked_buffers, x, y)
    for k, model in enumerate(models):
        alone = F.cross_entropy(model(x[k]), y[k])
        alone.backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(losses[k], alone.detach())
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None
            torch.testing.assert_close(grads[key][k], parameter.grad, atol=1e-9, rtol=1e-6)
        for key, buffer in model.named_buffers():
            torch.testing.assert_close(buffers[key][k], buffer)


@pytest.mark.parametrize("name", MODELS)
def test_a_run_alone_trains_in_half_precision_with_channels_last(name: str) -> None:
    model, x = make(name).float(), inputs(name, EXAMPLES)
    if x.ndim == 4:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.float().to(memory_format=torch.channels_last)
    x = x.float() if x.is_floating_point() else x
    y = torch.randint(CLASSES, (EXAMPLES,))
    buffers = {key: value.clone() for key, value in model.named_buffers()}

    def loss(p: Tree, b: Tree) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            outputs = functional_call(model, (p, b), (x,))
        return F.cross_entropy(outputs.float(), y), outputs

    params = {key: value.detach() for key, value in model.named_parameters()}
    grads, (_, outputs) = grad_and_value(loss, has_aux=True)(params, buffers)
    assert outputs.dtype == torch.bfloat16
    for key, value in grads.items():
        assert value.dtype == torch.float32
        assert value.isfinite().all(), key


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


@pytest.mark.parametrize("name", MODELS)
def test_it_is_built_without_data_too(name: str) -> None:
    with torch.device("meta"):
        model = make(name)
    real = {key: value.shape for key, value in make(name).state_dict().items()}
    assert {key: value.shape for key, value in model.state_dict().items()} == real
    assert all(tensor.is_meta for tensor in model.state_dict().values())
