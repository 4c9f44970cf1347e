import torch

from regsearch.models import MODELS
from regsearch.models.dnn import Dnn, build


def test_it_has_the_papers_814_090_parameters_on_mnist() -> None:
    model = build(Dnn(), (1, 28, 28), 10)
    assert [tuple(p.shape) for p in model.parameters()] == [(1024, 784), (1024,), (10, 1024), (10,)]
    assert sum(p.numel() for p in model.parameters()) == 814_090


def test_it_is_an_mlp_of_one_layer() -> None:
    torch.manual_seed(1)
    dnn = build(Dnn(width=16), (1, 4, 4), 3)
    torch.manual_seed(1)
    mlp = MODELS["mlp"].build(MODELS["mlp"].config(widths=[16]), (1, 4, 4), 3)
    x = torch.randn(5, 1, 4, 4)
    assert torch.equal(dnn(x), mlp(x))
