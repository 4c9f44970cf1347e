"""A model of the user's own, by the place of its code.

A study file that names one has that code run, with all the rights of whoever runs the study: read
it first, as you would a program.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from regsearch.errors import SpecError
from regsearch.models._base import MODELS, Model
from regsearch.models.dropout import own_dropout
from regsearch.registry import nearest
from regsearch.space import Kind


class Custom(Kind):
    """Where the code is, and what it is called with."""

    kind: Literal["custom"] = "custom"
    path: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
            description="module:callable that returns an nn.Module; the module is installed or in "
            "the folder that regsearch is started in, and its code is run",
        ),
    ]
    arguments: dict[str, Any] = Field(
        default={},
        description="given by name, beside input_shape and classes if the callable names these",
    )
    version: Annotated[
        int,
        Field(description="raise it when the code changes: records know it by this and the path"),
    ] = 1


def build(config: Custom, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """What the callable returns: ``[N, *input_shape]`` to ``[N, C]``.

    Its dropout layers are replaced by ours, and parameters that need no gradient become buffers,
    since all others are trained.

    Raises:
        SpecError: the callable is not there, fails, or returns something else than a module.
    """
    make = _find(config.path)
    known = {"input_shape": input_shape, "classes": classes}
    try:
        wanted = inspect.signature(make).parameters
        given = {name: value for name, value in known.items() if name in wanted}
        model = make(**given | config.arguments)
    except Exception as error:  # whatever the user's code raises
        raise SpecError(
            [f"model.path: {config.path} raised {type(error).__name__}: {error} ({_place(error)})"]
        ) from error
    if not isinstance(model, nn.Module):
        raise SpecError(
            [f"model.path: {config.path} must return an nn.Module, not {type(model).__name__}"]
        )
    return _with_frozen_as_buffers(own_dropout(model))


def _find(path: str) -> Callable[..., Any]:
    name, _, attribute = path.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # the regsearch command, unlike python -m, leaves it out
    try:
        found: Any = importlib.import_module(name)
    except Exception as error:  # whatever the module raises while it is imported
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            problem = f"no module {error.name}; it must be installed, or lie in {Path.cwd()}"
        else:
            problem = f"importing {name} raised {type(error).__name__}: {error} ({_place(error)})"
        raise SpecError([f"model.path: {problem}"]) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise SpecError([f"model.path: {path} is not there.{nearest(part, vars(found))}"])
        found = getattr(found, part)
    if not callable(found):
        raise SpecError([f"model.path: {path} is {type(found).__name__}, which cannot be called"])
    make: Callable[..., Any] = found
    return make


def _place(error: Exception) -> str:
    """File and line that raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _with_frozen_as_buffers(model: nn.Module) -> nn.Module:
    for layer in model.modules():
        for name, param in list(layer.named_parameters(recurse=False)):
            if not param.requires_grad:
                delattr(layer, name)
                layer.register_buffer(name, param.detach())
    return model


MODELS.add("custom", Model(Custom, "a model of your own, by import path", build))
