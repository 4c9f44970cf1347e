"""What records, reports and schedulers rely on in every registered metric."""

import pytest
import torch
from torch import Tensor

from regsearch.metrics import METRICS, Observed
from regsearch.units import UnitGroup

RUNS, EXAMPLES, CLASSES = 4, 9, 3
GROUPS = [UnitGroup("0.weight", "0.bias", "2.weight", None)]


def observed(name: str) -> Observed:
    """A perceptron 2-5-3 in each of four runs, and targets as the metric wants them."""
    params = {
        "0.weight": torch.randn(RUNS, 5, 2),
        "0.bias": torch.randn(RUNS, 5),
        "2.weight": torch.randn(RUNS, CLASSES, 5),
    }
    outputs = torch.randn(RUNS, EXAMPLES, CLASSES)
    classes, values = torch.randint(CLASSES, (RUNS, EXAMPLES)), torch.randn_like(outputs)
    targets = classes if METRICS[name].targets == "classes" else values
    return Observed(params, outputs, targets, GROUPS)


@pytest.mark.parametrize("name", METRICS)
def test_one_number_per_run_that_does_not_depend_on_the_neighbours(name: str) -> None:
    seen = observed(name)
    together = METRICS[name].measure(seen)
    assert together.shape == (RUNS,)
    for k in range(RUNS):

        def run(tensor: Tensor, k: int = k) -> Tensor:
            return tensor[k : k + 1]

        params = {key: run(value) for key, value in seen.params.items()}
        one = Observed(params, run(seen.outputs), run(seen.targets), GROUPS)
        torch.testing.assert_close(METRICS[name].measure(one), run(together))


@pytest.mark.parametrize("name", METRICS)
def test_it_says_what_it_is(name: str) -> None:
    metric = METRICS[name]
    assert metric.of in {"predictions", "weights", "units"}
    assert metric.targets in {"classes", "values"}
    assert metric.description
    assert metric.unit
