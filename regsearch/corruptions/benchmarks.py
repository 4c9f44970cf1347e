"""The two benchmarks: which families, at which severities, of which test set.

N. Mu, J. Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision" (2019); D. Hendrycks,
T. Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations"
(ICLR 2019). Constants are those of the code that the authors released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from regsearch.corruptions._base import CORRUPTIONS


class Benchmark(NamedTuple):
    """``main`` are the families of its mean, and the severities that its files hold."""

    title: str
    side: int  # of its images
    channels: int
    main: Mapping[str, Sequence[int]]
    extra: Mapping[str, Sequence[int]]
    folder: str  # of its files
    archive: str  # where they are from

    @property
    def families(self) -> dict[str, Sequence[int]]:
        """All of them."""
        return {**self.main, **self.extra}

    def severities(self, family: str, asked: Sequence[int] | None, name: str) -> list[int]:
        """At which ``family`` is measured; 1 for one without severities, ``None``: as published."""
        if family in CORRUPTIONS:
            levels = CORRUPTIONS[family].levels.get(name, ())
            if len(levels) == 1:
                return [1]
        return list(self.families[family] if asked is None else asked)


ALL = (1, 2, 3, 4, 5)

BENCHMARKS = {
    "mnist_c": Benchmark(
        "MNIST-C",
        28,
        1,
        {
            "shot_noise": (5,),
            "impulse_noise": (4,),
            "glass_blur": (1,),
            "motion_blur": (1,),
            "shear": (2,),
            "scale": (3,),
            "rotate": (2,),
            "brightness": (5,),
            "translate": (3,),
            "stripe": (1,),
            "fog": (5,),
            "spatter": (4,),
            "dotted_line": (1,),
            "zigzag": (1,),
            "canny_edges": (1,),
        },
        {},
        "mnist_c",
        "https://zenodo.org/record/3239543 (mnist_c.zip)",
    ),
    "cifar10_c": Benchmark(
        "CIFAR-10-C",
        32,
        3,
        dict.fromkeys(
            (
                "gaussian_noise",
                "shot_noise",
                "impulse_noise",
                "defocus_blur",
                "glass_blur",
                "motion_blur",
                "zoom_blur",
                "snow",
                "frost",
                "fog",
                "brightness",
                "contrast",
                "elastic_transform",
                "pixelate",
                "jpeg_compression",
            ),
            ALL,
        ),
        dict.fromkeys(("speckle_noise", "gaussian_blur", "spatter", "saturate"), ALL),
        "CIFAR-10-C",
        "https://zenodo.org/record/2535967 (CIFAR-10-C.tar)",
    ),
}

NOT_GENERATED = {
    ("cifar10_c", "frost"): "it overlays photographs that are not ours to ship",
    ("cifar10_c", "spatter"): "its drops of water follow from filters of one image library",
}
"""Why a family is measured on the official files alone."""


def generated(benchmark: str, family: str) -> bool:
    """Whether the family can be generated."""
    return family in CORRUPTIONS and benchmark in CORRUPTIONS[family].levels
