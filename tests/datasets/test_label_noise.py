import pytest
import torch
from scipy.stats import chisquare

from regsearch.datasets import noisy_labels

CLEAN = torch.arange(1000) % 10


@pytest.mark.parametrize(
    ("rate", "wrong"), [(0, 0), (0.1234, 123), (0.4, 400), (0.8, 800), (1, 1000)]
)
def test_exactly_the_asked_share_is_wrong(rate: float, wrong: int) -> None:
    noisy = noisy_labels(CLEAN, 10, rate, seed=3)
    assert int((noisy != CLEAN).sum()) == wrong
    assert noisy.dtype == CLEAN.dtype
    assert 0 <= int(noisy.min()) <= int(noisy.max()) <= 9


def test_the_clean_labels_are_left_alone() -> None:
    before = CLEAN.clone()
    noisy_labels(CLEAN, 10, 0.5, seed=0)
    assert torch.equal(CLEAN, before)


def test_wrong_labels_are_uniform_over_the_other_classes() -> None:
    clean = torch.full((90_000,), 4)
    counts = noisy_labels(clean, 10, 1.0, seed=0).bincount(minlength=10)
    assert counts[4] == 0
    assert chisquare(counts[counts > 0]).pvalue > 0.001


def test_wrong_labels_are_spread_over_the_examples() -> None:
    wrong = noisy_labels(CLEAN, 10, 0.5, seed=0) != CLEAN
    halves = wrong.view(10, 100).sum(1)
    assert chisquare(halves).pvalue > 0.001


def test_levels_are_nested() -> None:
    low, high = (noisy_labels(CLEAN, 10, rate, seed=8) for rate in (0.2, 0.6))
    chosen = low != CLEAN
    assert torch.equal(high[chosen], low[chosen])


def test_seeds_differ_and_the_global_generator_is_not_touched() -> None:
    state = torch.get_rng_state()
    first, again, other = (noisy_labels(CLEAN, 10, 0.5, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_two_classes_can_only_swap() -> None:
    labels = torch.tensor([0, 1, 1, 0])
    assert noisy_labels(labels, 2, 1.0, seed=0).tolist() == [1, 0, 0, 1]


def test_the_largest_seed_and_no_examples_are_fine() -> None:
    assert len(noisy_labels(torch.empty(0, dtype=torch.int64), 10, 0.5, seed=2**53 - 1)) == 0


@pytest.mark.parametrize(("classes", "rate"), [(1, 0.5), (10, -0.1), (10, 1.1), (10, float("nan"))])
def test_impossible_settings_are_refused(classes: int, rate: float) -> None:
    with pytest.raises(ValueError, match="needs 2 or more classes"):
        noisy_labels(CLEAN, classes, rate, seed=0)
