"""A difference that rests on one common seed: too little for a test, but not for the mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from regsearch.report.stats import difference


def test_one_common_seed_is_compared_with_itself_not_with_the_mean_of_others() -> None:
    found = difference(np.array([math.nan, 0.7, math.nan]), np.array([0.1, 0.6, 0.9]))
    assert float(found.mean) == pytest.approx(0.1)
    assert int(found.n) == 1
    assert math.isnan(found.p)
    assert math.isnan(found.half_width)


def test_without_a_common_seed_the_means_are_compared() -> None:
    found = difference(np.array([0.7, math.nan, math.nan]), np.array([math.nan, 0.4, 0.6]))
    assert float(found.mean) == pytest.approx(0.2)
    assert int(found.n) == 0
