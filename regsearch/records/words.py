"""A setting that has parts, such as a whole optimizer, as one short text."""

from __future__ import annotations

import json
from typing import Any

from regsearch.augmentations import AUGMENTATIONS
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
    "train.augment": AUGMENTATIONS,
}

LISTS = ("train.augment",)
"""Which of these hold several, applied one after the other."""


def in_words(path: str, value: Any) -> Any:
    """``sgd lr=0.1 momentum=0.9`` for a mapping with a kind: what is not at its default.

    Several are joined, ``flip + cutout size=2``, and an empty list of them, or none, is ``none``.
    Plain values are left as they are; other lists and mappings become JSON.
    """
    if path in LISTS and not value:
        return "none"
    parts = value if path in LISTS and isinstance(value, list) else [value]
    if path in REGISTRIES and all(_is_known(part, REGISTRIES[path]) for part in parts):
        return " + ".join(_told(part, REGISTRIES[path]) for part in parts)
    return json.dumps(value) if isinstance(value, list | dict) else value


def _is_known(value: Any, registry: Registry[Any]) -> bool:
    return isinstance(value, dict) and value.get("kind") in registry


def _told(value: dict[str, Any], registry: Registry[Any]) -> str:
    fields = registry[value["kind"]].config.model_fields
    usual = {n: f.get_default(call_default_factory=True) for n, f in fields.items()}
    told = {n: v for n, v in value.items() if n not in usual or _plain(usual[n]) != v}
    return " ".join([value["kind"], *(f"{n}={v}" for n, v in told.items() if n != "kind")])


def _plain(value: Any) -> Any:
    """As JSON has it: a tuple is a list."""
    return list(value) if isinstance(value, tuple) else value
