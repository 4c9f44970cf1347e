import math

import pytest
import torch

from regsearch.cells import Tree
from regsearch.metrics import METRICS, Observed


def measure(name: str, params: Tree) -> list[float]:
    nothing = torch.empty(0)
    return METRICS[name].measure(Observed(params, nothing, nothing)).tolist()


def test_by_hand_biases_and_norm_scales_do_not_count() -> None:
    params = {
        "0.weight": torch.tensor([[[3.0, 0.0]], [[1.0, 1.0]]]),  # two runs of [1, 2]
        "0.bias": torch.full((2, 1), 100.0),
        "1.weight": torch.tensor([[[-4.0], [0.0]], [[1.0], [-1.0]]]),
    }
    assert measure("weight_norm", params) == pytest.approx([5.0, 2.0])
    assert measure("max_weight", params) == [4.0, 1.0]


def test_equal_torchs_norm_of_each_runs_flattened_weights() -> None:
    params = {"conv": torch.randn(4, 2, 3, 3, 3), "linear": torch.randn(4, 5, 6)}
    flat = [torch.cat([params["conv"][k].ravel(), params["linear"][k].ravel()]) for k in range(4)]
    assert measure("weight_norm", params) == pytest.approx([float(w.norm()) for w in flat])
    norms = [float(torch.linalg.vector_norm(w, math.inf)) for w in flat]
    assert measure("max_weight", params) == pytest.approx(norms)


@pytest.mark.parametrize("name", ["weight_norm", "max_weight"])
def test_a_diverged_run_is_not_finite_and_leaves_its_neighbours_alone(name: str) -> None:
    weight = torch.ones(3, 2, 2)
    weight[1, 0, 0] = torch.nan
    values = measure(name, {"weight": weight})
    assert math.isnan(values[1])
    assert math.isfinite(values[0] + values[2])


def test_a_model_without_weights_is_named() -> None:
    with pytest.raises(ValueError, match=r"no weight matrix, only \['bias'\]"):
        measure("weight_norm", {"bias": torch.ones(2, 3)})
