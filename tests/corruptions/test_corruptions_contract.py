"""What every corruption keeps to, whatever it does to images."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from regsearch.corruptions import BENCHMARKS, CORRUPTIONS, NOT_GENERATED, Images, corrupt, generated
from regsearch.errors import UnknownName

CASES = [
    (benchmark, family)
    for benchmark in BENCHMARKS
    for family in BENCHMARKS[benchmark].families
    if generated(benchmark, family)
]
CERTAIN = {
    *("brightness", "contrast", "saturate", "defocus_blur", "gaussian_blur", "zoom_blur"),
    *("pixelate", "jpeg_compression", "stripe", "canny_edges", "scale"),
}
"""Families without chance."""

NOT_RISING = {"elastic_transform", "glass_blur", "spatter", "saturate"}
"""Families whose constants rise and fall, or change sides."""

MakeImages = Callable[..., Images]


def after(x: Tensor, benchmark: str, family: str, severity: int = 1, first: int = 0) -> Tensor:
    side = BENCHMARKS[benchmark].side
    return corrupt(x, torch.arange(len(x)) + first, family, benchmark, side, severity)


@pytest.mark.parametrize(("benchmark", "family"), CASES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (1, 2, 2)])
def test_images_of_any_size_become_bytes(
    benchmark: str, family: str, shape: tuple[int, ...], make_images: MakeImages
) -> None:
    x = make_images(3, *shape).x
    before = x.clone()
    for severity in range(1, len(CORRUPTIONS[family].levels[benchmark]) + 1):
        corrupted = after(x, benchmark, family, severity)
        assert corrupted.dtype == torch.uint8
        assert corrupted.shape == x.shape
    assert torch.equal(x, before)


@pytest.mark.parametrize(("benchmark", "family"), CASES)
def test_an_image_is_corrupted_in_one_way_whatever_lies_beside_it(
    benchmark: str, family: str, make_images: MakeImages
) -> None:
    side = BENCHMARKS[benchmark].side
    x, chosen = make_images(7, 1, side, side).x, torch.tensor([5, 2])
    together = after(x, benchmark, family)
    apart = corrupt(x[chosen], chosen, family, benchmark, side, 1)
    difference = (together[chosen].int() - apart.int()).abs()
    assert int(difference.max()) <= 1, "but for rounding"
    assert float((difference > 0).float().mean()) < 0.01
    others = after(x, benchmark, family, first=100)
    assert torch.equal(together, others) == (family in CERTAIN)


@pytest.mark.parametrize(
    ("benchmark", "family"),
    [case for case in CASES if case[1] not in NOT_RISING],
)
def test_the_worst_severity_changes_more_than_the_first(
    benchmark: str, family: str, make_images: MakeImages
) -> None:
    side, channels = BENCHMARKS[benchmark].side, BENCHMARKS[benchmark].channels
    x = make_images(10, channels, side, side).x
    x = (x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    levels = len(CORRUPTIONS[family].levels[benchmark])
    first, worst = (
        float((after(x, benchmark, family, severity) / 255 - x).square().mean())
        for severity in (1, levels)
    )
    assert worst > 1.2 * first > 0 or levels == 1


def test_each_benchmark_has_its_fifteen_families() -> None:
    mnist, cifar = BENCHMARKS["mnist_c"], BENCHMARKS["cifar10_c"]
    assert (len(mnist.main), len(mnist.extra)) == (15, 0)
    assert (len(cifar.main), len(cifar.extra)) == (15, 4)
    missing = {
        (name, family)
        for name, benchmark in BENCHMARKS.items()
        for family in benchmark.families
        if not generated(name, family)
    }
    assert missing == NOT_GENERATED.keys()


def test_every_family_has_five_severities_or_none_and_uses_those_it_has() -> None:
    for benchmark, family in CASES:
        levels = CORRUPTIONS[family].levels[benchmark]
        assert len(levels) in (1, 5)
        assert max(BENCHMARKS[benchmark].families[family]) <= len(levels)
    mnist = BENCHMARKS["mnist_c"]
    assert mnist.severities("fog", None, "mnist_c") == [5]
    assert mnist.severities("fog", [1, 2], "mnist_c") == [1, 2]
    assert mnist.severities("zigzag", [1, 2], "mnist_c") == [1]
    assert BENCHMARKS["cifar10_c"].severities("frost", None, "cifar10_c") == [1, 2, 3, 4, 5]


def test_severities_and_families_draw_numbers_of_their_own(make_images: MakeImages) -> None:
    images = make_images(2, 1, 8, 8)
    draws = [
        images.uniform("noise", 5),
        images.uniform("other", 5),
        images._replace(severity=2).uniform("noise", 5),
        images._replace(stream="else").uniform("noise", 5),
        images._replace(row=images.row + 2).uniform("noise", 5),
    ]
    assert len({float(draw[0, 0]) for draw in draws} | {float(draws[0][1, 0])}) == 6
    whole = images.integers("which", -2, 3, 1000)
    assert (int(whole.min()), int(whole.max())) == (-2, 2)
    assert sorted({float(sign) for sign in make_images(50, 1, 2, 2).signs("way")}) == [-1, 1]


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(UnknownName, match=r"no corruption named 'fogg'. Did you mean 'fog'\?"):
        after(torch.rand(1, 1, 8, 8), "mnist_c", "fogg")
