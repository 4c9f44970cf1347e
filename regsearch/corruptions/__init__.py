"""Corruptions of images: each file holds those of one nature."""

from regsearch.corruptions import (
    blur,
    digital,
    edges,
    files,
    geometry,
    light,
    noise,
    strokes,
    weather,
)
from regsearch.corruptions._base import CORRUPTIONS, Corruption, Images, corrupt
from regsearch.corruptions.benchmarks import BENCHMARKS, NOT_GENERATED, Benchmark, generated

__all__ = [
    "BENCHMARKS",
    "CORRUPTIONS",
    "NOT_GENERATED",
    "Benchmark",
    "Corruption",
    "Images",
    "blur",
    "corrupt",
    "digital",
    "edges",
    "files",
    "generated",
    "geometry",
    "light",
    "noise",
    "strokes",
    "weather",
]
