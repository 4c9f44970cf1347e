"""Hyper-parameters: how a leaf declares them, and which values a study file may give them.

A leaf (a regularizer, an optimizer, a data set ...) declares plain values in a ``Config``. A
field of type ``Real`` may differ from run to run inside one pack, because it enters the tensor
program as data ``[K]``. Every other field is structure: runs that differ in it need another pack.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import core_schema

from regsearch.registry import Registry


class Config(BaseModel):
    """Checked, frozen settings; an unknown key is an error, a typo never becomes a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Kind(Config):
    """A config that is one of several; each narrows ``kind`` to its own registered name."""

    kind: str


class PerRun:
    """Marks a field that is data ``[K]`` of the pack rather than part of its structure."""


class Place:
    """Marks a field that says where something lies; it is no part of a run's identity."""


Real = Annotated[float, PerRun()]


def per_run_fields(config: type[BaseModel]) -> list[str]:
    """Names of the fields of ``config`` that may differ from run to run within one pack."""
    return [
        name
        for name, field in config.model_fields.items()
        if any(isinstance(mark, PerRun) for mark in field.metadata)
    ]


def place_fields(config: type[BaseModel]) -> list[str]:
    """Names of the fields of ``config`` that say where something lies on this machine."""
    return [
        name
        for name, field in config.model_fields.items()
        if any(isinstance(mark, Place) for mark in field.metadata)
    ]


class OneOf:
    """Annotation for a mapping whose ``kind``, or other ``key``, picks its config from a registry.

    Plugins are among the choices, and so in the error messages and in the JSON schema.
    """

    def __init__(self, registry: Registry[Any], key: str = "kind") -> None:
        self.registry, self.key = registry, key

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Union of the registered configs, told apart by ``key``."""
        choices: dict[Hashable, core_schema.CoreSchema] = {
            name: handler.generate_schema(self.registry[name].config) for name in self.registry
        }
        return core_schema.tagged_union_schema(choices, discriminator=self.key)
