"""With what a run was made: versions, commit, machine. It goes into every record."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from regsearch.study.pack import Pack
from regsearch.study.place import Place

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


COMMIT = "REGSEARCH_GIT_COMMIT"
"""Environment variable: the commit that a study was submitted from, where there is no git."""


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """Commit of the working directory, with ``-dirty`` where it has changes; None outside git.

    Of a submitted study, that of the folder that it was submitted from.
    """
    if submitted_from := os.environ.get(COMMIT):
        return submitted_from
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


def provenance(pack: Pack, runs_together: int, place: Place | None) -> dict[str, Any]:
    """What is the same for all runs of a pack; the place of one that never began is not known."""
    return {
        "versions": versions(),
        "git_commit": git_commit(),
        "data": pack.runs[0].task.content()["dataset"]["fingerprint"],
        "platform": f"{platform.system()} {platform.machine()}",
        "node": place and place.node,
        "device": pack.engine.device,
        "device_name": place and place.device,
        "compiled": pack.engine.compile,
        "threads": pack.engine.threads,
        "pack": runs_together,
    }
