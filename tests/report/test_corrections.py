"""Corrections for many comparisons, against the definitions they were derived from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from regsearch.report.stats import adjust, correction_words, difference

FAMILIES = [np.random.default_rng(seed).beta(0.4, 2, size=n) for seed, n in enumerate((1, 2, 5, 8))]


@pytest.mark.parametrize("p", FAMILIES, ids=len)
def test_holm_is_the_closure_of_bonferroni(p: np.ndarray) -> None:
    """A hypothesis falls if every intersection that it is part of falls (Marcus et al., 1976)."""
    numbers = range(len(p))
    subsets = [s for size in range(1, len(p) + 1) for s in itertools.combinations(numbers, size)]
    expected = [
        max(min(1.0, len(s) * min(p[j] for j in s)) for s in subsets if i in s) for i in numbers
    ]
    assert adjust(p, "holm") == pytest.approx(expected)


@pytest.mark.parametrize("p", FAMILIES, ids=len)
def test_benjamini_and_hochberg_steps_up(p: np.ndarray) -> None:
    """At level q the k smallest fall, for the largest k with p_(k) <= k q / m."""
    adjusted, m = adjust(p, "benjamini_hochberg"), len(p)
    for q in np.linspace(0.013, 0.97, 30):
        k = max([i for i in range(1, m + 1) if sorted(p)[i - 1] <= i * q / m], default=0)
        fallen = set(np.argsort(p)[:k].tolist())
        assert set(np.flatnonzero(adjusted <= q).tolist()) == fallen


@pytest.mark.parametrize("correction", ["none", "holm", "benjamini_hochberg"])
def test_what_was_not_compared_does_not_count(correction: str) -> None:
    p = np.array([[0.01, np.nan], [0.04, 0.03]])
    found = adjust(p, correction)  # type: ignore[arg-type]
    alone = adjust(np.array([0.01, 0.04, 0.03]), correction)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, [[alone[0], np.nan], alone[1:]])
    assert np.isnan(adjust(np.full(3, np.nan), correction)).all()  # type: ignore[arg-type]


def test_correlated_comparisons_with_one_baseline_keep_their_error_rate() -> None:
    """20 settings that equal a baseline: at most 5 % of studies may have a mark, of 400 here."""
    rng, marked = np.random.default_rng(0), {"none": 0, "holm": 0, "benjamini_hochberg": 0}
    for _ in range(400):
        p = difference(rng.normal(size=(20, 5)), rng.normal(size=5)).p
        for correction in marked:
            marked[correction] += bool((adjust(p, correction) < 0.05).any())  # type: ignore[arg-type]
    assert marked["holm"] <= marked["benjamini_hochberg"] <= 400 * 0.05 + 3 * 4.4  # 3 s.d.
    assert marked["none"] > 400 * 0.25


def test_words_say_over_how_many() -> None:
    assert correction_words("holm", 1) == "p < 5 %"
    assert correction_words("holm", 12) == "p < 5 % after Holm's correction over 12 comparisons"
    assert "each of 7 comparisons, not corrected" in correction_words("none", 7)
