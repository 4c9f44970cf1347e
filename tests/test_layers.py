"""Imports point down only, and heavy libraries stay where the architecture allows them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "regsearch"
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = """
    __init__ __main__ cli
    api own_loop
    study track report
    records train attached
    regularizers optim models datasets metrics losses schedules augmentations
    space cells registry errors mistakes disk draws units unit_search theory pixels \
    histogram corruptions
"""
RANK = {name: row for row, line in enumerate(LAYERS.split("\n")) for name in line.split()}
BOTTOM = RANK["errors"]
TOP = RANK["cli"]

HEAVY = {  # library: files that may import it
    "ray": ["study/ray_*.py"],
    "mlflow": ["track/*.py"],
    "optuna": ["study/search/optuna_*.py", "report/importances.py"],
    "matplotlib": ["report/*.py"],
    "torchvision": ["datasets/*.py", "models/*.py"],
    "sklearn": ["datasets/*.py", "study/search/level_map.py"],
}

WITHOUT = ["ray", "mlflow", "optuna", "matplotlib", "pandas", "click", "rich", "yaml", "jinja2"]
"""What a machine may lack that only trains, or only attaches a method to its own loop."""


def layer(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file: Path) -> Iterator[str]:
    """Every module that ``file`` imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative import; write it from regsearch on"
            module = node.module or ""
            yield from (f"{module}.{name.name}" for name in node.names)


def below(file: Path) -> Iterator[str]:
    """The parts of regsearch that ``file`` imports, but for its own."""
    for module in imports(file):
        if module.split(".")[0] == "regsearch":
            there = [*module.split("."), ""][1]
            there = there if there in RANK else "__init__"
            if there != layer(file):
                yield there


def may_import(here: str, there: str) -> bool:
    inside_an_end = RANK[here] == RANK[there] in (TOP, BOTTOM)
    return inside_an_end or RANK[here] < RANK[there]


def python(code: str) -> str:
    asked = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_down(file: Path) -> None:
    assert layer(file) in RANK, f"regsearch/{layer(file)} is in no layer"
    wrong = {there for there in below(file) if not may_import(layer(file), there)}
    assert not wrong, f"{layer(file)} must not import {sorted(wrong)}"


@pytest.mark.parametrize(
    ("here", "there", "allowed"),
    [
        ("cli", "api", True),
        ("study", "records", True),
        ("space", "registry", True),
        ("train", "study", False),
        ("study", "track", False),
        ("models", "datasets", False),
        ("records", "train", False),
        ("errors", "cells", True),
        ("disk", "train", False),
    ],
)
def test_the_rule_itself(here: str, there: str, allowed: bool) -> None:
    assert may_import(here, there) is allowed


def test_imports_inside_functions_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from regsearch import api\n    import ray.tune\n")
    assert list(imports(file)) == ["regsearch.api", "ray.tune"]


@pytest.mark.parametrize("library", HEAVY)
def test_heavy_libraries_stay_in_their_place(library: str) -> None:
    found = {
        str(file.relative_to(PACKAGE))
        for file in FILES
        if any(module.split(".")[0] == library for module in imports(file))
    }
    allowed = HEAVY[library]
    assert not [file for file in found if not any(fnmatch(file, place) for place in allowed)]


def test_training_needs_torch_and_numpy_but_no_ray_no_mlflow_no_pandas() -> None:
    lowest = RANK["train"]
    down = [file for file in FILES if RANK[layer(file)] >= lowest and layer(file) != "records"]
    down += [PACKAGE / "__init__.py", PACKAGE / "own_loop.py"]
    modules = sorted(
        {".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in down}
    )
    python(f"""
import importlib, sys
sys.modules.update(dict.fromkeys({WITHOUT}))  # None: importing it raises ImportError
for module in {[module.removesuffix(".__init__") for module in modules]}:
    importlib.import_module(module)
""")


def test_help_waits_for_no_heavy_library() -> None:
    heavy = python(f"""
import sys
from regsearch.cli import main
sys.argv = ["regsearch", "--help"]
try:
    main()
except SystemExit as done:
    assert not done.code
print("|", *[name for name in {["torch", "numpy", "pydantic", *WITHOUT]} if name in sys.modules])
""").rpartition("|")[2].split()  # fmt: skip
    assert set(heavy) <= {"click", "rich", "yaml"}
