"""Problems of a study file: where they are, and what to write instead."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from regsearch import mistakes
from regsearch.mistakes import Where, show_path
from regsearch.study.domains import DISTRIBUTIONS, GRIDS

Problem = tuple[Where, str]
"""Where in the file, and what is wrong there."""


def explain(failed: ValidationError, model: type[BaseModel], raw: Any) -> list[Problem]:
    """Turn what pydantic found in ``raw``, read as a ``model``, into problems, one per place."""
    return mistakes.explain(failed, model, raw, _cross)


def _cross(where: Where, value: Any) -> str:
    """Several values where one is wanted: outside the search space they are a factor."""
    if _is_grid(value) and where and where[0] in ("dataset", "model", "train"):
        return f"; to cross several values write factors: {{{show_path(where)}: […]}}"
    return ""


def _is_grid(value: Any) -> bool:
    return isinstance(value, list) or (
        isinstance(value, dict) and bool(value.keys() & (GRIDS.keys() | DISTRIBUTIONS.keys()))
    )
