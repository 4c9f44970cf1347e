"""From pydantic's errors to sentences for the person who wrote the values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from regsearch.registry import Registry, nearest
from regsearch.space import Kind, OneOf

Where = tuple[str | int, ...]
"""A place in nested values: keys and indices from the root down."""

Advise = Callable[[Where, Any], str]
"""What else to do about the value at a place that breaks a rule; empty where there is nothing."""

UNKNOWN_KEY = "unknown key"

_RULES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "int_type": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "finite_number": lambda _: "a finite number",
    "bool_type": lambda _: "true or false",
    "string_type": lambda _: "a text",
    "list_type": lambda _: "a list",
    "tuple_type": lambda _: "a list",
    "dict_type": lambda _: "a mapping",
    "model_type": lambda _: "a mapping",
    "model_attributes_type": lambda _: "a mapping",
    "none_required": lambda _: "null",
    "literal_error": lambda ctx: str(ctx["expected"]),
    "greater_than": lambda ctx: f"more than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"{ctx['ge']:g} or more",
    "less_than": lambda ctx: f"less than {_count(ctx['lt'])}",
    "less_than_equal": lambda ctx: f"{_count(ctx['le'])} or less",
    "too_short": lambda ctx: f"{ctx['min_length']} or more entries",
    "too_long": lambda ctx: f"{ctx['max_length']:,} or fewer entries",
    "string_too_short": lambda ctx: f"a text of {ctx['min_length']} or more characters",
    "string_too_long": lambda ctx: f"a text of {ctx['max_length']} or fewer characters",
    "string_pattern_mismatch": lambda ctx: f"a text of the form {ctx['pattern']}",
}


def show_path(where: Where) -> str:
    """Write a place as ``regularizers[0].v``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")


def show(value: Any) -> str:
    """Write a value as a file would, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"


def sentences(failed: ValidationError, config: type[Kind], values: Mapping[str, Any]) -> list[str]:
    """One line for each mistake in the keyword arguments ``values`` of a ``kind`` of something."""
    return [
        f"{show_path((str(values['kind']), *where))}: {text}"
        for where, text in explain(failed, config, values)
    ]


def _no_more(where: Where, value: Any) -> str:
    return ""


def explain(
    failed: ValidationError, model: type[BaseModel], raw: Any, advise: Advise = _no_more
) -> list[tuple[Where, str]]:
    """Turn what pydantic found in ``raw``, read as a ``model``, into places and what is wrong.

    Each place comes once. Where several forms are allowed (``auto``, or a number), their rules are
    joined by "or".
    """
    rules: dict[Where, list[str]] = {}
    values: dict[Where, Any] = {}
    problems: dict[Where, str] = {}
    for error in failed.errors(include_url=False):
        where = find(raw, error["loc"])
        if error["type"] in _RULES:
            rules.setdefault(where, []).append(_RULES[error["type"]](error.get("ctx", {})))
            values[where] = error["input"]
            problems[where] = ""  # keeps the order of the file
        else:
            where, message = _single(error, where, model)
            problems.setdefault(where, message)
    for where, parts in rules.items():
        value, unmet = values[where], list(dict.fromkeys(parts))
        advice = advise(where, value) or _advice(unmet, value)
        problems[where] = f"needs {' or '.join(unmet)}, got {show(value)}{advice}"
    return list(problems.items())


def find(raw: Any, loc: Iterable[str | int]) -> Where:
    """The part of pydantic's ``loc`` that exists in ``raw``.

    Names of union members, and the index of an entry that was written without a list, are
    pydantic's own and left out.
    """
    where: list[str | int] = []
    for step in loc:
        if isinstance(raw, dict) and step in raw:
            raw = raw[str(step)]
        elif isinstance(raw, list | tuple) and isinstance(step, int) and step < len(raw):
            raw = raw[step]
        else:
            continue
        where.append(step)
    return tuple(where)


def _single(error: ErrorDetails, where: Where, model: type[BaseModel]) -> tuple[Where, str]:
    loc, context = error["loc"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            word, known = str(loc[-1]), _known_keys(model, loc[:-1])
            return where, f"{UNKNOWN_KEY}.{nearest(word, known)} Known: {', '.join(known)}"
        case "missing":
            return (*where, str(loc[-1])), "is missing; it has no default"
        case "union_tag_invalid":
            tag, noun, known = context["tag"], *_choices(model, loc)
            return (*where, context["discriminator"].strip("'")), (
                f"no {noun} named {tag!r}.{nearest(str(tag), known)} Known: {', '.join(known)}"
            )
        case "union_tag_not_found":
            noun, known = _choices(model, loc)
            key = context["discriminator"].strip("'")
            return where, f"needs the {key} of {noun}: {{{key}: …}} with one of {', '.join(known)}"
        case "value_error":
            return where, str(context["error"])
        case _:
            return where, f"{error['msg']}, got {show(error['input'])}"


def _advice(rules: list[str], value: Any) -> str:
    wanted = " ".join(rules)
    if isinstance(value, str) and "number" in wanted and _reads_as_number(value):
        return "; write it without quotes"
    if isinstance(value, str) and "true or false" in wanted:
        return "; write true or false without quotes"
    if isinstance(value, str) and "'" in wanted:
        return nearest(value, wanted.split("'")[1::2]).replace(" Did", "; did")
    if isinstance(value, float) and value.is_integer() and "whole number" in wanted:
        return f"; write {int(value)}"
    return ""


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _count(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _known_keys(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    keys = (
        key
        for reached in _descend(model, loc)
        if not isinstance(reached, Registry)
        for key in reached.model_fields
    )
    return list(dict.fromkeys(keys))


def _choices(model: type[BaseModel], loc: Iterable[str | int]) -> tuple[str, list[str]]:
    """Noun and names of the registry that ``loc`` picks from."""
    registry = next(r for r in _descend(model, loc) if isinstance(r, Registry))
    return registry.noun, list(registry)


Reached = type[BaseModel] | Registry[Any]


def _descend(model: type[BaseModel], loc: Iterable[str | int]) -> list[Reached]:
    """The models and registries that describe what lies at ``loc``."""
    here: list[Reached] = [model]
    for step in loc:
        if isinstance(step, int):
            continue
        below: list[Reached] = []
        for reached in here:
            if isinstance(reached, Registry):
                below += [reached[step].config] if step in reached else []
            elif step in reached.model_fields:
                below += _parts(reached.model_fields[step])
        here = below or here  # a union member's name leads nowhere
    return here


def _parts(annotation: Any) -> list[Reached]:
    """Models and registries within an annotation such as ``list[Annotated[Kind, OneOf(…)]]``."""
    if isinstance(annotation, FieldInfo):
        marks: tuple[Any, ...] = tuple(annotation.metadata)
        annotation = annotation.annotation
    else:
        marks = getattr(annotation, "__metadata__", ())
        annotation = getattr(annotation, "__origin__", annotation) if marks else annotation
    if registries := [mark.registry for mark in marks if isinstance(mark, OneOf)]:
        return [*registries]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for inner in get_args(annotation) for part in _parts(inner)]
