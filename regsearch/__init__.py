"""regsearch: declare a search over weight regularizers, train it in packs, read the phase diagram.

``load`` a pipeline file and ``run`` it, ``open_study`` and ``compare`` studies; ``attach`` and
``constrain`` bring the regularizers into your own PyTorch loop. Names are imported when they are
first used, so that the command line answers at once and a training loop needs neither Ray nor
MLflow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regsearch.api import Pipeline, Study, compare, load, open_study, run
    from regsearch.own_loop import attach, constrain, fold

_HOMES = {
    "load": "regsearch.api",
    "run": "regsearch.api",
    "open_study": "regsearch.api",
    "compare": "regsearch.api",
    "Pipeline": "regsearch.api",
    "Study": "regsearch.api",
    "attach": "regsearch.own_loop",
    "constrain": "regsearch.own_loop",
    "fold": "regsearch.own_loop",
}

__all__ = [
    "Pipeline",
    "Study",
    "attach",
    "compare",
    "constrain",
    "fold",
    "load",
    "open_study",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'regsearch' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
