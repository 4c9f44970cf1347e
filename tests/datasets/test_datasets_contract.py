"""What the study and the training core rely on in every registered data set."""

import subprocess
import sys

import pytest

from regsearch.datasets import DATASETS
from regsearch.space import per_run_fields


@pytest.mark.parametrize("name", DATASETS)
def test_noise_may_differ_within_a_pack_and_nothing_else(name: str) -> None:
    """What is loaded is shared by the runs of a pack; only draws can differ."""
    own = {"teacher_student": ["sigma"]}
    assert per_run_fields(DATASETS[name].config) == ["label_noise", *own.get(name, [])]


@pytest.mark.parametrize("name", DATASETS)
def test_it_says_what_it_is(name: str) -> None:
    assert DATASETS[name].description
    assert DATASETS[name].config.model_fields["kind"].default == name


def test_importing_and_fingerprinting_load_no_slow_library() -> None:
    code = """
import sys
from regsearch.datasets import DATASETS
for name in ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "svhn", "tiny_imagenet",
             "imagenet", "imdb", "teacher_student"):
    DATASETS[name].fingerprint(DATASETS[name].config())
slow = {"torchvision", "sklearn", "scipy", "pandas", "PIL", "psutil"}
print(sorted(slow & sys.modules.keys()))
"""
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"
