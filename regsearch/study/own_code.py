"""The Python files of a model of one's own, to be sent along with a study."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regsearch.errors import RegsearchError
from regsearch.study.spec import Pipeline

MOST_BYTES = 10 * 2**20
NOT_CODE = ("__pycache__", "site-packages", "node_modules", "studies", "mlruns")


def copy_code(pipeline: Pipeline, here: Path, there: Path) -> None:
    """Copy all Python files below ``here`` if the study's model is one of them.

    A model that is installed is not sent: it must be installed on the nodes, too.

    Raises:
        RegsearchError: they are so many that ``here`` cannot be a folder of code.
    """
    if not any(_is_in(here, path) for path in _model_paths(pipeline)):
        return
    left = MOST_BYTES
    for file in _python_files(here):
        left -= file.stat().st_size
        if left < 0:
            raise RegsearchError(
                f"{here} holds more than {MOST_BYTES >> 20} MiB of Python files, which would all "
                "be sent with the model; start regsearch in a folder of its own, or install the "
                "model's package on the nodes and not here"
            )
        copy = there / file.relative_to(here)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def _model_paths(pipeline: Pipeline) -> Iterator[str]:
    """``module:callable`` of each model of one's own."""
    levels: list[Any] = [pipeline.model.model_dump(), *pipeline.factors.get("model", [])]
    for level in levels:
        if isinstance(level, dict) and "path" in level:
            yield level["path"]
    yield from pipeline.factors.get("model.path", [])


def _is_in(here: Path, path: str) -> bool:
    top = path.partition(":")[0].partition(".")[0]
    return (here / f"{top}.py").is_file() or (here / top).is_dir()


def _python_files(here: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(here):
        at = Path(folder)
        below[:] = [name for name in below if _may_hold_code(at / name)]
        yield from (at / name for name in sorted(names) if name.endswith(".py"))


def _may_hold_code(folder: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name in NOT_CODE
    return not (hidden or (folder / "pyvenv.cfg").exists())
