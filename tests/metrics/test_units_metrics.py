import pytest
import torch
from torch import Tensor

from regsearch.cells import Tree
from regsearch.metrics import METRICS, Observed
from regsearch.unit_search import find_groups
from regsearch.units import UnitGroup
from tests.homogeneous import ConvNet, stacked

GROUPS = [UnitGroup("a", None, "b", None), UnitGroup("c", "d", "e", "f")]


def measure(name: str, params: Tree) -> Tensor:
    nothing = torch.empty(0)
    return METRICS[name].measure(Observed(params, nothing, nothing, GROUPS))


def two_runs() -> Tree:
    return {
        "a": torch.tensor([[[3.0, 4.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]]),
        "b": torch.tensor([[[2.0, 7.0]], [[1.0, 0.0]]]),
        "c": torch.tensor([[[1.0]], [[-2.0]]]),
        "e": torch.tensor([[[6.0, 8.0]], [[3.0, 4.0]]]),  # one unit at two positions
    }


def test_by_hand() -> None:
    params = two_runs()
    assert measure("active_units", params).tolist() == pytest.approx([2 / 3, 2 / 3])
    assert measure("path_norm", params).tolist() == pytest.approx([5 * 2 + 10, 1 + 2 * 5])


def test_a_unit_of_tiny_weights_is_active() -> None:
    params = two_runs()
    params["a"][0, 1] = 1e-18  # the product of the norms underflows in float32
    params["b"][0, 0, 1] = 1e-18
    params["c"], params["e"] = params["c"] * 1e-20, params["e"] * 1e-18
    active = measure("active_units", params)
    assert active[0] >= 2 / 3


def test_path_norm_does_not_change_when_units_are_rescaled() -> None:
    params = two_runs()
    scaled = params | {"a": 4 * params["a"], "b": params["b"] / 4}
    torch.testing.assert_close(measure("path_norm", scaled), measure("path_norm", params))


def test_a_diverged_run_is_not_finite_and_leaves_its_neighbours_alone() -> None:
    params = two_runs()
    alone = measure("path_norm", params)
    params["a"][0, 0, 0] = torch.nan
    together = measure("path_norm", params)
    assert together.isnan().tolist() == [True, False]
    assert together[1] == alone[1]


def test_of_a_model_the_groups_are_its_own() -> None:
    model = ConvNet()
    params = stacked([model, ConvNet()])
    params["conv1.weight"][1, :3] = 0
    seen = Observed(params, torch.empty(0), torch.empty(0), find_groups(model))
    active = METRICS["active_units"].measure(seen)
    assert active.tolist() == pytest.approx([1, 6 / 9])  # 4 channels and 5
    assert active.dtype == torch.float32


def test_a_model_without_units_is_refused() -> None:
    nothing = torch.empty(0)
    with pytest.raises(ValueError, match="no homogeneous units"):
        METRICS["path_norm"].measure(Observed({}, nothing, nothing))
