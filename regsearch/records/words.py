"""A setting that has parts, such as a whole optimizer, as one short text."""

from __future__ import annotations

import json
from typing import Any

from regsearch.datasets import DATASETS
from regsearch.losses import LOSSES
from regsearch.models import MODELS
from regsearch.optim import OPTIMIZERS
from regsearch.registry import Registry
from regsearch.schedules import SCHEDULES

REGISTRIES: dict[str, Registry[Any]] = {
    "dataset": DATASETS,
    "model": MODELS,
    "train.optimizer": OPTIMIZERS,
    "train.schedule": SCHEDULES,
    "train.loss": LOSSES,
}


def in_words(path: str, value: Any) -> Any:
    """``sgd lr=0.1 momentum=0.9`` for a mapping with a kind: what is not at its default.

    Plain values are left as they are; other lists and mappings become JSON.
    """
    if isinstance(value, dict) and path in REGISTRIES and value.get("kind") in REGISTRIES[path]:
        fields = REGISTRIES[path][value["kind"]].config.model_fields
        usual = {n: f.get_default(call_default_factory=True) for n, f in fields.items()}
        told = {n: v for n, v in value.items() if n not in usual or _plain(usual[n]) != v}
        return " ".join([value["kind"], *(f"{n}={v}" for n, v in told.items() if n != "kind")])
    return json.dumps(value) if isinstance(value, list | dict) else value


def _plain(value: Any) -> Any:
    """As JSON has it: a tuple is a list."""
    return list(value) if isinstance(value, tuple) else value
