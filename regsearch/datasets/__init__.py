"""Data sets: each file holds one family, in the order in which they are listed to the user."""

from regsearch.datasets import digits, mnist, cifar, svhn, imagenet, imdb  # noqa: I001 - the user's order
from regsearch.datasets import arrays, image_folder, teacher_student
from regsearch.datasets._base import DATASETS, Data, Dataset, DatasetConfig, Drawn
from regsearch.datasets.label_noise import noisy_labels

__all__ = [
    "DATASETS",
    "Data",
    "Dataset",
    "DatasetConfig",
    "Drawn",
    "arrays",
    "cifar",
    "digits",
    "image_folder",
    "imagenet",
    "imdb",
    "mnist",
    "noisy_labels",
    "svhn",
    "teacher_student",
]
