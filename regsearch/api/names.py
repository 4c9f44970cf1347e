"""What study files can name, with a line about each."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from regsearch.api.study import open_study, studies_here
from regsearch.errors import RegsearchError, UnknownName
from regsearch.registry import Registry, nearest
from regsearch.study.spec import builtin_names

REGISTRIES = {
    "regularizers": ("regsearch.regularizers", "REGULARIZERS"),
    "optimizers": ("regsearch.optim", "OPTIMIZERS"),
    "schedules": ("regsearch.schedules", "SCHEDULES"),
    "losses": ("regsearch.losses", "LOSSES"),
    "augmentations": ("regsearch.augmentations", "AUGMENTATIONS"),
    "models": ("regsearch.models", "MODELS"),
    "datasets": ("regsearch.datasets", "DATASETS"),
    "metrics": ("regsearch.metrics", "METRICS"),
    "measurements": ("regsearch.metrics", "MEASUREMENTS"),
    "reports": ("regsearch.report", "REPORTS"),
    "algorithms": ("regsearch.study.search", "ALGORITHMS"),
    "samplers": ("regsearch.study.search", "SAMPLERS"),
    "schedulers": ("regsearch.study.schedulers", "SCHEDULERS"),
}


def registry(noun: str) -> Registry[Any]:
    """The table of all ``noun`` (plural)."""
    module, name = REGISTRIES[noun]
    table: Registry[Any] = getattr(import_module(module), name)
    return table


def list_names(what: str) -> dict[str, str]:
    """Names and descriptions of ``what``.

    Raises:
        UnknownName: there is no such list.
    """
    lists: dict[str, Callable[[], dict[str, str]]] = {
        "studies": _studies,
        **{noun: lambda noun=noun: _described(noun) for noun in REGISTRIES},  # type: ignore[misc]
        "pipelines": lambda: builtin_names("pipelines"),
        "search_spaces": lambda: builtin_names("search_spaces"),
    }
    if what not in lists:
        raise UnknownName(f"cannot list {what!r}.{nearest(what, lists)} Known: {', '.join(lists)}")
    return lists[what]()


def _described(noun: str) -> dict[str, str]:
    table = registry(noun)
    return {name: table[name].description for name in table}


def _studies() -> dict[str, str]:
    return {name: _how_far(folder) for name, folder in studies_here().items()}


def _how_far(folder: Path) -> str:
    try:
        status = open_study(folder).status()
    except RegsearchError as error:
        return str(error).partition("\n")[0]  # the others are listed all the same
    done = status["planned"] - status["missing"]
    running = f", run by {status['running']}" if status["running"] else ""
    return f"{done:,} of {status['planned']:,} runs recorded{running}"
