"""What records, reports and schedulers rely on in every registered metric."""

import pytest
import torch

from regsearch.metrics import METRICS, Observed


@pytest.mark.parametrize("name", METRICS)
def test_one_number_per_run_that_does_not_depend_on_the_neighbours(name: str) -> None:
    params = {"weight": torch.randn(4, 3, 2), "bias": torch.randn(4, 3)}
    seen = Observed(params, torch.randn(4, 9, 3), torch.randint(3, (4, 9)))
    together = METRICS[name].measure(seen)
    assert together.shape == (4,)
    for k in range(4):
        alone = {key: value[k : k + 1] for key, value in params.items()}
        one = Observed(alone, seen.logits[k : k + 1], seen.labels[k : k + 1])
        torch.testing.assert_close(METRICS[name].measure(one), together[k : k + 1])


@pytest.mark.parametrize("name", METRICS)
def test_it_says_what_it_is(name: str) -> None:
    metric = METRICS[name]
    assert metric.of in {"predictions", "weights"}
    assert metric.description
    assert metric.unit
