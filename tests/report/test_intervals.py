"""Centres, standard errors and intervals over seeds, against scipy and against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as oracle

from regsearch.report.stats import Centre, centre, difference, interval, standard_error

NAN = np.nan


def gaps(values: np.ndarray, holes: int) -> np.ndarray:
    """The same values with NaN between them."""
    return np.insert(values, np.linspace(0, len(values), holes).astype(int), NAN)


@pytest.mark.parametrize(("n", "dropped"), [(5, 0), (9, 0), (10, 1), (32, 3), (50, 5)])
def test_a_trimmed_mean_drops_a_tenth_at_each_end_rounded_down(n: int, dropped: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    kept = sorted(values.tolist())[dropped : n - dropped]
    found = centre(np.stack([gaps(values, 3), gaps(values[::-1], 3)]), "trimmed_mean")
    assert found == pytest.approx(sum(kept) / len(kept))


def test_extremes_are_of_the_seeds_that_have_a_value() -> None:
    values = np.array([[0.3, NAN, 0.5], [NAN, NAN, NAN]])
    np.testing.assert_equal(centre(values, "max"), [0.5, NAN])
    np.testing.assert_equal(centre(values, "min"), [0.3, NAN])
    np.testing.assert_equal(centre(values, "trimmed_mean"), [0.4, NAN])


@pytest.mark.parametrize("by", ["mean", "trimmed_mean"])
def test_the_standard_error_is_that_of_scipys_t_test(by: Centre) -> None:
    """Welch's test, and Yuen's for trimmed means, divide by the root of both squared errors."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=23), rng.normal(1, 2, size=31)
    trim = 0.1 if by == "trimmed_mean" else 0.0
    test = oracle.ttest_ind(a, b, equal_var=False, trim=trim)
    errors = [standard_error(gaps(x, 2), by) for x in (a, b)]
    distance = centre(a, by) - centre(b, by)
    assert distance / np.hypot(errors[0].size, errors[1].size) == pytest.approx(test.statistic)
    assert [float(error.freedom) for error in errors] == (
        [22, 30] if by == "mean" else [23 - 4 - 1, 31 - 6 - 1]
    )


def test_the_t_interval_is_scipys() -> None:
    values = np.random.default_rng(1).normal(size=6)
    expected = oracle.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(gaps(values, 2)) == pytest.approx(expected)


def test_an_interval_takes_two_values_and_an_extreme_has_none() -> None:
    for method in ("t", "bootstrap"):
        assert np.isnan(interval(np.array([0.5, NAN]), method=method)).all()
        assert np.isnan(interval(np.array([0.5, 0.7, 0.6]), "max", method)).all()
        assert list(interval(np.array([0.5, 0.5]), method=method)) == [0.5, 0.5]


def test_the_bootstrap_interval_is_efrons_bca_by_enumeration_of_all_resamples() -> None:
    """Of five values there are 5^5 resamples; bias and acceleration by Efron's formulas (1987)."""
    values = np.array([0.52, 0.61, 0.58, 0.70, 0.9])
    means = np.array([np.mean(draw) for draw in itertools.product(values, repeat=5)])
    theta = values.mean()
    below = np.mean(means < theta - 1e-12) + np.mean(np.abs(means - theta) < 1e-12) / 2
    bias = oracle.norm.ppf(below)
    left_out = np.array([np.delete(values, i).mean() for i in range(5)])
    pull = left_out.mean() - left_out
    acceleration = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    ends = []
    for level in (0.025, 0.975):
        z = bias + oracle.norm.ppf(level)
        ends.append(np.quantile(means, oracle.norm.cdf(bias + z / (1 - acceleration * z))))
    assert interval(gaps(values, 2), method="bootstrap") == pytest.approx(ends, abs=0.01)


def test_without_a_seed_there_is_no_interval() -> None:
    """As of a cell of which all runs diverged."""
    for shape in ((0, 0), (3, 0)):
        low, high = interval(np.empty(shape), method="bootstrap")
        assert low.shape == high.shape == shape[:1]
        assert np.isnan([*low, *high]).all()


def test_where_no_single_seed_moves_the_centre_the_bootstrap_gives_percentiles() -> None:
    """Of 20 seeds two at each end are cut: of the one that is off 0, a mean holds (k - 2) / 16."""
    values = np.array([0.0] * 19 + [1.0])
    counts = np.arange(21)
    means = np.clip(counts - 2, 0, 16) / 16
    chance = np.cumsum(oracle.binom.pmf(counts, 20, 1 / 20))
    ends = [means[np.searchsorted(chance, level)] for level in (0.025, 0.975)]
    assert interval(values, "trimmed_mean", "bootstrap") == pytest.approx(ends)


def test_equal_values_without_a_common_seed_have_a_bootstrap_of_no_length() -> None:
    a, b = np.array([0.9] * 3 + [NAN] * 3), np.array([NAN] * 3 + [0.9] * 3)
    found = difference(a, b, "bootstrap")
    assert [float(x) for x in (found.low, found.high, found.p)] == [0, 0, 1]


def test_rows_do_not_change_each_others_bootstrap() -> None:
    rows = np.random.default_rng(2).normal(size=(130, 7))
    rows[::3, 2] = NAN
    together = interval(rows, "trimmed_mean", "bootstrap")
    for i in (0, 1, 100):
        assert interval(rows[i], "trimmed_mean", "bootstrap") == pytest.approx(
            (together.low[i], together.high[i])
        )


@pytest.mark.parametrize(("n", "promised"), [(3, 0.70), (5, 0.87)])
def test_how_often_intervals_hold_the_mean_of_normal_values(n: int, promised: float) -> None:
    """1,000 samples leave a standard error of 1.5 points."""
    samples = np.random.default_rng(n).normal(size=(1000, n))
    covers = {
        method: np.mean([low < 0 < high for low, high in zip(*found, strict=True)])
        for method in ("t", "bootstrap")
        for found in [interval(samples, method=method)]
    }
    assert covers["t"] == pytest.approx(0.95, abs=0.03)
    assert covers["bootstrap"] == pytest.approx(promised, abs=0.05)


def test_a_bootstrapped_difference_is_that_of_the_pairs_with_the_p_value_of_the_t_test() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 8))
    found = difference(a, b, "bootstrap")
    assert (found.low, found.high) == pytest.approx(interval(a - b, method="bootstrap"))
    assert found.half_width == pytest.approx((found.high - found.low) / 2)
    assert found.p == pytest.approx(oracle.ttest_rel(a, b).pvalue)


def test_without_a_common_seed_both_samples_are_resampled() -> None:
    rng = np.random.default_rng(4)
    a, b = np.full((2, 60), NAN)
    a[:30], b[30:] = rng.normal(1, 1, 30), rng.normal(0, 2, 30)
    one, other = difference(a, b, "bootstrap"), difference(b, a, "bootstrap")
    welch = oracle.ttest_ind(a[:30], b[30:], equal_var=False).confidence_interval(0.95)
    assert (one.low, one.high) == pytest.approx(welch, abs=0.15)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=0.1)
