"""Distributions by their quantiles, against SciPy's, and in Optuna's terms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from regsearch.study.distributions import Distribution, read_distribution

SHARES = np.linspace(0, 1, 101)[:-1] + 1e-6


def law(written: dict[str, Any]) -> Distribution:
    found = read_distribution(written)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"uniform": [-1, 3]}, stats.uniform(-1, 4)),
        ({"loguniform": [1e-5, 1e-1]}, stats.loguniform(1e-5, 1e-1)),
        ({"randint": [2, 9]}, stats.randint(2, 9)),
    ],
)
def test_quantiles_are_scipys(written: dict[str, Any], expected: Any) -> None:
    drawn = [law(written).at(share) for share in SHARES]
    np.testing.assert_allclose(drawn, expected.ppf(SHARES), rtol=1e-12, atol=1e-15)


def test_every_value_of_a_discrete_distribution_is_equally_likely() -> None:
    for written, values in (
        ({"quniform": [-1, 1, 0.1]}, [round(-1 + 0.1 * k, 1) for k in range(21)]),
        ({"randint": [0, 5]}, [0, 1, 2, 3, 4]),
        ({"choice": ["a", "b", "c"]}, ["a", "b", "c"]),
    ):
        found = law(written)
        count = len(values)
        assert found.size == count
        assert [found.at((k + 0.5) / count) for k in range(count)] == values
        assert found.at(0.0) == values[0]
        assert found.at(np.nextafter(1, 0)) == values[-1]


def test_steps_are_the_values_that_one_would_write() -> None:
    assert law({"quniform": [0, 0.5, 0.1]}).values == (0, 0.1, 0.2, 0.3, 0.4, 0.5)


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ({"uniform": [0, 1]}, [0, 1, 0.3], [-1e-9, 1.0001, "a", True, None]),
        ({"loguniform": [0.1, 1]}, [0.1, 1], [0, 0.09]),
        ({"quniform": [-1, 1, 0.1]}, [-1, 0.3, 1.0], [0.35, 1.1, None]),
        ({"randint": [1, 4]}, [1, 2, 3], [0, 4, 1.5]),
        ({"choice": [1.0, "x"]}, [1.0, "x"], [2, "y"]),
    ],
)
def test_what_a_distribution_may_give(
    written: dict[str, Any], inside: list[Any], outside: list[Any]
) -> None:
    found = law(written)
    assert all(found.has(value) for value in inside)
    assert not any(found.has(value) for value in outside)
    assert all(found.has(value) for value in found.examples())
    assert all(found.has(found.at(share)) for share in SHARES)
    assert found.written() == written
    assert read_distribution(found.written()) == found


@pytest.mark.parametrize("value", [1, "uniform", [1, 2], {}, {"uniform": [0, 1], "x": 1}, {"x": 1}])
def test_other_values_are_no_distributions(value: Any) -> None:
    assert read_distribution(value) is None
