"""Each method is a file of its own, which no other method needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "regsearch" / "regularizers"
SOURCES = {file.stem: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.py")}
METHODS = sorted(name for name, source in SOURCES.items() if "REGULARIZERS.add(" in source)


@pytest.mark.parametrize("method", METHODS)
def test_no_method_imports_another(method: str) -> None:
    nodes = [n for n in ast.walk(ast.parse(SOURCES[method])) if isinstance(n, ast.ImportFrom)]
    imported = {f"{node.module}.{name.name}" for node in nodes for name in node.names}
    others = {f"regsearch.regularizers.{other}" for other in METHODS}
    assert not [name for name in imported if name in others or name.rpartition(".")[0] in others]


def test_they_are_registered_in_the_order_of_their_names() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", "from regsearch.regularizers import *; print(*REGULARIZERS)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == METHODS
