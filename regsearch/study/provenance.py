"""With what a run was made: versions, commit, machine. It goes into every record."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from regsearch.study.pack import Pack

PACKAGES = ("regsearch", "torch", "torchvision", "numpy", "ray", "mlflow", "optuna", "pandas")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """Commit of the working directory, with ``-dirty`` where it has changes; None outside git."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() or None


def provenance(pack: Pack, runs_together: int) -> dict[str, Any]:
    """What is the same for all runs of a pack."""
    return {
        "versions": versions(),
        "git_commit": git_commit(),
        "data": pack.runs[0].task.content()["dataset"]["fingerprint"],
        "platform": f"{platform.system()} {platform.machine()}",
        "device": pack.engine.device,
        "compiled": pack.engine.compile,
        "threads": pack.engine.threads,
        "pack": runs_together,
    }
