from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as oracle

from regsearch.report.stats import difference, seeds_needed, spread

NAN = np.nan


def test_spread_of_numbers_known_by_heart() -> None:
    """2, 4, 4, 4, 5, 5, 7, 9 has mean 5 and sum of squares 32; a NaN is no value."""
    mean, sd, n = spread(np.array([[2, 4, 4, 4, 5, 5, 7, 9, NAN], [3, *[NAN] * 8], [NAN] * 9]))
    np.testing.assert_allclose(mean, [5, 3, NAN])
    np.testing.assert_allclose(sd, [math.sqrt(32 / 7), NAN, NAN])
    assert n.tolist() == [8, 1, 0]


def test_paired_difference_is_scipys_over_common_seeds() -> None:
    a = np.array([0.52, 0.61, 0.58, 0.70, NAN])
    b = np.array([0.50, 0.55, 0.57, NAN, 0.40])
    found = difference(a, b)
    expected = oracle.ttest_rel(a[:3], b[:3])
    interval = expected.confidence_interval(0.95)
    assert found.n == 3
    assert found.mean == pytest.approx(0.03)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.half_width == pytest.approx((interval.high - interval.low) / 2)


def test_without_a_common_seed_it_is_welchs() -> None:
    a, b = np.array([1.0, 1.2, 1.5, NAN, NAN]), np.array([NAN, NAN, NAN, 2.0, 2.6])
    found = difference(a, b)
    expected = oracle.ttest_ind(a[:3], b[3:], equal_var=False)
    assert found.n == 0
    assert found.mean == pytest.approx(1.2333333 - 2.3)
    assert found.p == pytest.approx(expected.pvalue)


def test_one_seed_gives_a_difference_but_no_verdict() -> None:
    found = difference(np.array([0.7]), np.array([0.5]))
    assert found.mean == pytest.approx(0.2)
    assert np.isnan(found.p)
    assert np.isnan(found.half_width)


def test_one_common_seed_is_no_pair_and_welchs_test_takes_all_values() -> None:
    a, b = np.array([1.0, 1.2, 1.5, NAN]), np.array([NAN, NAN, 2.0, 2.6])
    found = difference(a, b)
    expected = oracle.ttest_ind(a[:3], b[2:], equal_var=False)
    assert found.n == 0
    assert found.mean == pytest.approx(3.7 / 3 - 2.3)
    assert found.p == pytest.approx(expected.pvalue)


def test_equal_numbers_do_not_differ_and_a_constant_gain_does() -> None:
    a = np.array([0.25, 0.5, 0.75])
    assert difference(a, a).p == 1
    assert difference(a + 0.125, a).p == 0
    assert difference(a + 0.1, a).p == 0  # constant but for rounding


@pytest.mark.parametrize("gain", [0.125, 0.1])
def test_a_constant_gain_over_two_seeds_may_be_chance(gain: float) -> None:
    a = np.array([0.25, 0.7])
    found = difference(a + gain, a)
    assert found.mean == pytest.approx(gain)
    assert np.isnan([found.p, found.half_width]).all()
    assert difference(a, a).p == 1


def test_seeds_needed_has_the_power_that_it_promises() -> None:
    """Exact power of the paired t-test, from the noncentral t distribution."""
    for ratio in (0.5, 1.0, 2.0):
        n = seeds_needed(ratio, 1.0)
        assert n is not None
        enough, fewer = (
            oracle.nct.sf(oracle.t.ppf(0.975, k - 1), k - 1, ratio * math.sqrt(k))
            for k in (n, n - 1)
        )
        assert fewer < 0.8 <= enough


def test_a_corrected_level_asks_for_more_seeds() -> None:
    n = seeds_needed(1.0, 1.0, level=0.01)
    assert n is not None
    enough, fewer = (
        oracle.nct.sf(oracle.t.ppf(0.995, k - 1), k - 1, math.sqrt(k)) for k in (n, n - 1)
    )
    assert fewer < 0.8 <= enough


def test_a_constant_difference_takes_three_seeds() -> None:
    assert seeds_needed(0.1, 1e-17) == 3


def test_no_number_of_seeds_shows_that_nothing_differs() -> None:
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(NAN, 1.0) is None
