"""Which values a study file may give a field: one, a list of them, or a rule that makes a list."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np
from pydantic import (
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    Strict,
    create_model,
)
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from regsearch.registry import nearest
from regsearch.space import Kind, OneOf
from regsearch.study.distributions import Choice, Distribution, as_written, read_distribution

MAX_VALUES = 20_000


def choices(raw: Any, *, of_lists: bool = False) -> list[Any]:
    """List the values that ``raw``, as read from a file, stands for.

    ``0.1`` is one value, ``[0.1, 1]`` is a grid, ``{linspace: [0, 1, 5]}`` and
    ``{logspace: [1e-4, 1e-2, 3]}`` are grids between two values. Where a value is itself a list
    (``of_lists``, such as widths), ``[128, 64]`` is one value and a list of lists is a grid.

    Raises:
        ValueError: an empty grid, bounds that make none, or a distribution, which no grid search
            can enumerate.
    """
    match raw:
        case [] if not of_lists:
            raise ValueError("is an empty grid; give at least one value")
        case list() if of_lists and not (raw and all(isinstance(value, list) for value in raw)):
            return [raw]
        case list():
            return raw
        case dict() if len(raw) == 1 and not of_lists:
            [(rule, bounds)] = raw.items()
            return _spread(rule, bounds)
        case _:
            return [raw]


def _spread(rule: str, bounds: Any) -> list[Any]:
    if rule in GRIDS:
        return GRIDS[rule](*_bounds(rule, bounds))
    if rule in DISTRIBUTIONS:
        raise ValueError(no_grid({rule: bounds}))
    raise ValueError(
        f"needs a value, a list or one of {', '.join(GRIDS)}, got {rule!r}.{nearest(rule, GRIDS)}"
    )


def no_grid(written: dict[str, Any]) -> str:
    """Why a distribution, ``written`` as in a file, is no grid, and which grid is near it."""
    [(rule, bounds)] = written.items()
    return (
        f"{rule} is a distribution, which a grid cannot enumerate; "
        f"under 'algorithm: grid' write {DISTRIBUTIONS[rule](bounds)}"
    )


def _bounds(rule: str, bounds: Any) -> tuple[float, float, int]:
    match bounds:
        case [int() | float() as low, int() | float() as high, int() as count] if not any(
            isinstance(bound, bool) for bound in bounds
        ):
            pass
        case _:
            raise ValueError(
                f"{rule}: needs [first value, last value, how many], got {json.dumps(bounds)}"
            )
    if low >= high:
        raise ValueError(f"{rule}: needs its first value below its last, got {low:g} and {high:g}")
    if not 2 <= count <= MAX_VALUES:
        raise ValueError(f"{rule}: needs 2 to {MAX_VALUES:,} values, got {count}")
    return low, high, count


def linspace(low: float, high: float, count: int) -> list[float]:
    """``count`` values at equal distances from ``low`` to ``high``, as one would write them."""
    return [as_written(value) for value in np.linspace(low, high, count)]


def logspace(low: float, high: float, count: int) -> list[float]:
    """``count`` values at equal ratios from ``low`` to ``high``; bounds are values, not exponents.

    Raises:
        ValueError: ``low`` is not positive.
    """
    if low <= 0:
        raise ValueError(f"logspace: needs a first value above 0, got {low:g}; 0 has no logarithm")
    return [as_written(value) for value in np.geomspace(low, high, count)]


GRIDS: dict[str, Callable[[float, float, int], list[float]]] = {
    "linspace": linspace,
    "logspace": logspace,
}


def _five(rule: str) -> Callable[[Any], str]:
    def grid(bounds: Any) -> str:
        low, high = bounds[:2] if isinstance(bounds, list) and len(bounds) >= 2 else ("low", "high")
        return f"{{{rule}: [{low}, {high}, 5]}}"

    return grid


def _steps(bounds: Any) -> str:
    match bounds:
        case [int() | float() as low, int() | float() as high, int() | float() as step] if (
            low < high and step > 0
        ):
            return f"{{linspace: [{low}, {high}, {math.floor((high - low) / step) + 1}]}}"
        case _:
            return "{linspace: [low, high, how many]}"


def _integers(bounds: Any) -> str:
    match bounds:
        case [int() as low, int() as high] if high - low >= 3:  # Ray leaves out the upper bound
            return f"[{low}, {low + 1}, …, {high - 1}], or some of these"
        case _:
            return "the integers as a list"


DISTRIBUTIONS: dict[str, Callable[[Any], str]] = {
    "uniform": _five("linspace"),
    "quniform": _steps,
    "loguniform": _five("logspace"),
    "randint": _integers,
    "choice": lambda bounds: f"the list itself, {json.dumps(bounds)}",
}
"""Ray's distributions, and the grid that comes nearest to each."""


def distinct(values: list[Any]) -> list[Any]:
    """Pass ``values`` on if no two are equal.

    Raises:
        ValueError: two are, so that cells would be trained twice.
    """
    seen = set()
    for value in values:
        written = json.dumps(value, sort_keys=True)
        key = float(value) if isinstance(value, int) and not isinstance(value, bool) else written
        key = value if isinstance(value, float) else key
        if key in seen:
            raise ValueError(f"gives {written} twice; every value needs to be another")
        seen.add(key)
    return values


class Choices:
    """Annotation of a ``list[T]`` that a file may write as any domain of ``T``."""

    def __init__(self, *, of_lists: bool = False) -> None:
        self.of_lists = of_lists

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Spread the domain out, then check each value as a ``T``."""
        return core_schema.no_info_before_validator_function(
            lambda raw: choices(raw, of_lists=self.of_lists),
            handler(source),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """One value, a list of values, or a grid between two."""
        grid = handler(schema) | {"minItems": 1}
        bounds = {
            "type": "array",
            "prefixItems": [{"type": "number"}, {"type": "number"}, {"type": "integer"}],
            "minItems": 3,
            "maxItems": 3,
        }
        spreads = [] if self.of_lists else [_spread_schema(rule, bounds) for rule in GRIDS]
        return {"anyOf": [grid["items"], grid, *spreads]}


class Tried(Choices):
    """Annotation of a ``list[T]`` that a file may also write as a distribution over ``T``."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Check each value as a ``T``; of a distribution its examples."""
        return core_schema.no_info_wrap_validator_function(self._read, handler(source))

    def _read(
        self, raw: Any, values: core_schema.ValidatorFunctionWrapHandler
    ) -> list[Any] | Distribution:
        found = None if self.of_lists else read_distribution(raw)
        if found is None:
            return distinct(values(choices(raw, of_lists=self.of_lists)))
        checked = distinct(values(found.examples()))
        return Choice(tuple(checked)) if isinstance(found, Choice) else found

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """One value, a list of values, a grid between two, or a distribution."""
        forms = super().__get_pydantic_json_schema__(schema, handler)
        if not self.of_lists:
            forms["anyOf"] += [_spread_schema(*form) for form in _DISTRIBUTION_SCHEMAS.items()]
        return forms


def _numbers_schema(count: int, of: str = "number") -> JsonSchemaValue:
    return {"type": "array", "items": {"type": of}, "minItems": count, "maxItems": count}


_DISTRIBUTION_SCHEMAS: dict[str, JsonSchemaValue] = {
    "uniform": _numbers_schema(2),
    "loguniform": _numbers_schema(2),
    "quniform": _numbers_schema(3),
    "randint": _numbers_schema(2, "integer"),
    "choice": {"type": "array", "minItems": 1},
}


def _spread_schema(rule: str, bounds: JsonSchemaValue) -> JsonSchemaValue:
    return {
        "type": "object",
        "properties": {rule: bounds},
        "required": [rule],
        "additionalProperties": False,
    }


Domain = list[Any] | Distribution
"""The values of a grid, or what to draw them from."""


class Searched(Kind):
    """An entry of a search space: for each field of a leaf's config, the values to be tried."""

    def axes(self) -> dict[str, Domain]:
        """What is tried, by the name of the field; fields with a single value included."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "kind"}


class OneOfSearched(OneOf):
    """Like ``OneOf``, but each field of the chosen config takes a domain of values."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Union of the searched forms of the registered configs, told apart by ``kind``."""
        return core_schema.tagged_union_schema(
            {
                name: handler.generate_schema(searched(self.registry[name].config))
                for name in self.registry
            },
            discriminator="kind",
        )


@cache
def searched(config: type[Kind]) -> type[Searched]:
    """Derive the searched form of a leaf's config; the leaf itself declares plain values only."""
    fields: dict[str, Any] = {
        name: _searched_field(field) for name, field in config.model_fields.items()
    }
    kind = config.model_fields["kind"].annotation
    fields["kind"] = (kind, ...)
    return create_model(config.__name__, __base__=Searched, __doc__=config.__doc__, **fields)


def _searched_field(field: FieldInfo) -> tuple[Any, Any]:
    of_lists = is_listed(field.annotation)
    value: Any = Annotated[field.annotation, Field(), *field.metadata]
    if of_lists:
        value = Annotated[value, Strict(False)]  # a file writes a tuple as a list, too
    domain = Annotated[
        list[value],
        Tried(of_lists=of_lists),
        PlainSerializer(_as_in_a_file),
    ]
    default = ... if field.is_required() else [field.get_default(call_default_factory=True)]
    return domain, Field(default=default, description=field.description)


def _as_in_a_file(domain: Domain) -> Any:
    if not isinstance(domain, list):
        return domain.written()
    return domain[0] if len(domain) == 1 else domain


def is_listed(annotation: Any) -> bool:
    """Whether a single value of this type is written as a list."""
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if origin is Annotated:
        return is_listed(arguments[0])
    if origin in (Union, UnionType):
        return any(is_listed(option) for option in arguments)
    return isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset)
