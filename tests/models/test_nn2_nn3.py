import pytest
import torch

from regsearch.models import MODELS


@pytest.mark.parametrize(("name", "hidden", "count"), [("nn2", 2, 669_706), ("nn3", 3, 932_362)])
def test_they_are_mlps_of_512_units_a_layer(name: str, hidden: int, count: int) -> None:
    def build(kind: str, **values: object) -> torch.nn.Module:
        config = MODELS[kind].config.model_validate({"kind": kind, **values})
        torch.manual_seed(1)
        return MODELS[kind].build(config, (1, 28, 28), 10)

    model, mlp = build(name), build("mlp", widths=[512] * hidden)
    assert sum(param.numel() for param in model.parameters()) == count  # 784-512-...-512-10
    x = torch.randn(3, 1, 28, 28)
    assert torch.equal(model(x), mlp(x))
