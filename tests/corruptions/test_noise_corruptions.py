"""Noise against the distributions that it is named after."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from regsearch.corruptions import Images
from regsearch.corruptions.noise import (
    gaussian_noise,
    impulse_noise,
    poisson,
    shot_noise,
    speckle_noise,
)

MakeImages = Callable[..., Images]


@pytest.fixture
def flat() -> Images:
    """Forty images of one grey, which is a byte."""
    return Images(torch.full((40, 3, 32, 32), 102 / 255), torch.arange(40), 1.0, "test", 1)


@pytest.mark.parametrize("photons", [3, 60, 500])
def test_counts_are_the_quantiles_of_poisson_distributions(photons: float) -> None:
    generator = torch.Generator().manual_seed(0)
    level = torch.randint(256, (4000,), generator=generator)
    level[:2] = torch.tensor([0, 255])
    u = torch.rand(4000, generator=generator).clamp(1e-7, 1 - 1e-7)
    quantiles = stats.poisson.ppf(u.double().numpy(), level.numpy() * photons / 255)
    np.testing.assert_array_equal(poisson(level, u, photons).numpy(), quantiles)


def test_shot_noise_keeps_the_mean_and_has_the_variance_of_counts(flat: Images) -> None:
    noisy = shot_noise(flat, 60)
    assert float(noisy.mean()) == pytest.approx(0.4, abs=0.002)
    assert float(noisy.var()) == pytest.approx(0.4 / 60, rel=0.03)


def test_gaussian_and_speckle_noise_have_their_deviations(flat: Images) -> None:
    noise = (gaussian_noise(flat, 0.08) - flat.x).flatten().numpy()
    assert stats.kstest(noise / 0.08, "norm").pvalue > 0.01
    speckles = (speckle_noise(flat, 0.2) - flat.x).flatten().numpy()
    assert stats.kstest(speckles / (0.2 * 0.4), "norm").pvalue > 0.01


def test_impulse_noise_hits_its_share_with_as_many_zeros_as_ones(flat: Images) -> None:
    noisy, count = impulse_noise(flat, 0.17), flat.x.numel()
    for value in (0, 1):
        hit = int((noisy == value).sum())
        assert stats.binomtest(hit, count, 0.17 / 2).pvalue > 0.01
    assert bool(((noisy == flat.x) | (noisy == 0) | (noisy == 1)).all())
    apart = (noisy == flat.x).float().flatten(2).mean(2)
    assert float(apart.std()) > 0, "channels are hit on their own"


@pytest.mark.parametrize("corruption", [gaussian_noise, speckle_noise, impulse_noise])
def test_no_noise_changes_nothing(
    corruption: Callable[[Images, float], torch.Tensor], make_images: MakeImages
) -> None:
    images = make_images(2, 3, 8, 8)
    torch.testing.assert_close(corruption(images, 0.0), images.x)
