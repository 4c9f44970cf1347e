"""What the documents say is there, is there; what is there, the documents say."""

from __future__ import annotations

import importlib
import re
import textwrap
from pathlib import Path

import click
import pytest
import torch

from regsearch.augmentations import AUGMENTATIONS
from regsearch.cli import main
from regsearch.datasets import DATASETS
from regsearch.losses import LOSSES
from regsearch.metrics import MEASUREMENTS
from regsearch.models import MODELS
from regsearch.optim import OPTIMIZERS
from regsearch.regularizers import REGULARIZERS
from regsearch.report import REPORTS
from regsearch.schedules import SCHEDULES
from regsearch.study.schedulers import SCHEDULERS
from regsearch.study.search import ALGORITHMS

ROOT = Path(__file__).parent.parent
VERBS = main.list_commands(click.Context(main))
REGISTRIES = [
    REGULARIZERS, OPTIMIZERS, SCHEDULES, LOSSES, AUGMENTATIONS, MODELS, DATASETS,
    MEASUREMENTS, REPORTS, ALGORITHMS, SCHEDULERS,
]  # fmt: skip
NAMES = [(registry.noun, name) for registry in REGISTRIES for name in registry]
PAGES = ["README.md", "CONTRIBUTING.md", "docs/cluster.md"]


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(("noun", "name"), NAMES)
def test_the_readme_names_every_choice_of_a_file(noun: str, name: str) -> None:
    assert f"`{name}`" in text("README.md"), f"README.md does not mention the {noun} `{name}`"


@pytest.mark.parametrize("verb", VERBS)
def test_the_readme_names_every_verb(verb: str) -> None:
    assert re.search(rf"regsearch {verb}\b", text("README.md"))


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_shows_an_example(verb: str) -> None:
    command = main.get_command(click.Context(main), verb)
    assert command is not None
    assert f"Example: regsearch {verb}" in (command.help or "")


@pytest.mark.parametrize("page", PAGES)
def test_every_verb_in_a_page_exists(page: str) -> None:
    used = set(re.findall(r"^ *(?:\$ |\.venv/bin/)?regsearch ([a-z]+)", text(page), re.MULTILINE))
    assert used <= set(VERBS)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    linked = re.findall(r"\]\((?!https?:|#)([^)#]+)", text(page))
    named = re.findall(r"\b(?:pipelines|search_spaces|examples|docs)/[\w/.-]+\.\w+", text(page))
    missing = [name for name in linked if not (ROOT / page).parent.joinpath(name).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing, f"{page} names files that are not there: {missing}"


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^ *(?:\$ )?)make ([a-z]+)", text(page), re.MULTILINE))
    assert named <= targets


def test_the_regularizer_of_the_contributors_guide_works_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = re.findall(r"( *)```python\n(.*?)```", text("CONTRIBUTING.md"), re.DOTALL)
    (tmp_path / "max_norm.py").write_text(textwrap.dedent(code[1]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(REGULARIZERS, "_entries", {})
    importlib.import_module("max_norm")
    assert list(REGULARIZERS) == ["max_norm"]
    weight = torch.tensor([[[3.0, 4.0], [0.3, 0.4]]]).repeat(2, 1, 1)  # two runs, norms 5 and 0.5
    params = {"weight": weight, "bias": torch.full((2, 2), 9.0)}
    hp = {"radius": torch.tensor([1.0, 10.0])}
    after, momentum = REGULARIZERS["max_norm"].after_step(params, {}, hp, {})
    torch.testing.assert_close(after["weight"][0], torch.tensor([[0.6, 0.8], [0.3, 0.4]]))
    torch.testing.assert_close(after["weight"][1], weight[1])
    assert torch.equal(after["bias"], params["bias"])
    assert momentum == {}
