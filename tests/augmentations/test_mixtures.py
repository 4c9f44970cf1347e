"""Mixup and CutMix: the law of the share, and the share that is really left."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from regsearch.augmentations import cutmix, mixup, partners
from regsearch.augmentations._beta import symmetric_beta
from regsearch.augmentations.cutmix import Cutmix
from regsearch.augmentations.mixup import Mixup


def uniform(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 2.0, 30.0])
def test_a_share_is_of_the_beta_distribution(alpha: float) -> None:
    shares = symmetric_beta(uniform(40_000, 4), alpha)
    assert stats.kstest(shares.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_hardly_anything_is_mixed_at_the_ends_of_alpha() -> None:
    shares = symmetric_beta(uniform(1000, 4), 1e-6)
    assert bool(((shares < 1e-9) | (shares > 1 - 1e-9)).all())
    assert float(symmetric_beta(uniform(1000, 4), 1e8).sub(0.5).abs().max()) < 1e-3


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4)])
def test_mixup_adds_each_example_to_its_partner(shape: tuple[int, ...]) -> None:
    x = torch.rand(3, 5, *shape)
    mixed, share = mixup.mix(x, uniform(3, 4), Mixup(alpha=1.0))
    for run in range(3):
        for i in range(5):
            expected = share[run] * x[run, i] + (1 - share[run]) * x[run, i - 1]
            torch.testing.assert_close(mixed[run, i], expected.float())
            assert torch.equal(partners(x)[run, i], x[run, i - 1])


@pytest.mark.parametrize("shape", [(8, 8), (5, 12)])
def test_cutmix_shares_are_areas_of_a_box_in_the_images_proportions(
    shape: tuple[int, int],
) -> None:
    high, wide = shape
    x = torch.arange(4.0)[None, :, None, None, None].expand(200, 4, 2, high, wide)
    u = uniform(200, 7)
    mixed, share = cutmix.mix(x, u, Cutmix())
    kept = (mixed == x).double().mean((2, 3, 4))
    torch.testing.assert_close(kept, share[:, None].expand_as(kept))
    assert torch.equal(mixed.where(mixed == x, x.roll(1, 1)), mixed)
    for run, (_, across, down, *rest) in enumerate(u.tolist()):
        side = (1 - float(symmetric_beta(torch.tensor(rest).double(), 1.0))) ** 0.5
        rows, columns = (
            [p for p in range(n) if c - int(side * n) // 2 <= p < c + int(side * n) // 2]
            for n, c in ((high, int(down * high)), (wide, int(across * wide)))
        )
        box = torch.zeros(high, wide, dtype=torch.bool)
        box[torch.tensor(rows).long()[:, None], torch.tensor(columns).long()] = True
        assert torch.equal(mixed[run, 1, 0] != x[run, 1, 0], box)


def test_cutmix_leaves_batches_alone_as_often_as_asked() -> None:
    x = torch.rand(4000, 2, 1, 16, 16)
    _, always = cutmix.mix(x, uniform(4000, 7), Cutmix())
    mixed, share = cutmix.mix(x, uniform(4000, 7), Cutmix(probability=0.25))
    untouched = share == 1
    assert torch.equal(mixed[untouched], x[untouched])
    small = float((always == 1).float().mean())  # boxes of less than two pixels
    assert float(untouched.float().mean()) == pytest.approx(0.75 + 0.25 * small, abs=0.03)
