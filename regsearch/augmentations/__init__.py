"""Augmentations: each file holds one random change of the examples that a run is trained on."""

from regsearch.augmentations import (
    crop,
    cutmix,
    cutout,
    flip,
    mixup,
    random_resized_crop,
)
from regsearch.augmentations._base import AUGMENTATIONS, Augmentation, partners, problems
from regsearch.augmentations._images import Colours

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "Colours",
    "crop",
    "cutmix",
    "cutout",
    "flip",
    "mixup",
    "partners",
    "problems",
    "random_resized_crop",
]
