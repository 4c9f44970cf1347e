"""Data sets: each file holds one family, in the order in which they are listed to the user."""

from regsearch.datasets import digits, mnist, cifar10, arrays, teacher_student  # noqa: I001 - the user's order
from regsearch.datasets._base import DATASETS, Data, Dataset, DatasetConfig, Drawn
from regsearch.datasets.label_noise import noisy_labels

__all__ = [
    "DATASETS",
    "Data",
    "Dataset",
    "DatasetConfig",
    "Drawn",
    "arrays",
    "cifar10",
    "digits",
    "mnist",
    "noisy_labels",
    "teacher_student",
]
