"""Where every value of a pipeline was written: its file, its search space's file, or ``-o``."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from regsearch.datasets import DATASETS
from regsearch.errors import SpecError
from regsearch.metrics import MEASUREMENTS
from regsearch.mistakes import Where, show
from regsearch.registry import nearest
from regsearch.space import place_fields
from regsearch.study.problems import Problem
from regsearch.study.secret_literals import find_secrets
from regsearch.study.yaml_file import Document, parse_value, read_yaml

SWITCHES: tuple[Where, ...] = (("pack",), ("compile",))
"""Where ``on`` and ``off`` are words."""

DEFAULT_KINDS = {"dataset": "digits", "model": "mlp"}
"""What a pipeline is about when it does not say."""

BUILT_IN = Path(__file__).parents[1] / "builtin"

MAX_PROBLEMS = 50


class Sources:
    """The merged content of a pipeline, and the document that each part of it came from."""

    def __init__(self, main: Document) -> None:
        self.main = main
        self.value: dict[str, Any] = copy.deepcopy(main.value)
        self._documents: dict[Where, Document] = {(): main}

    @classmethod
    def of(cls, value: dict[str, Any], source: str = "pipeline") -> Sources:
        """Content that was never in a file."""
        return cls(Document(source, value))

    def problem(self, where: Where, message: str) -> str:
        """``file:line: path: message``, in the file or the option that holds ``where``."""
        root, document = self._document(where)
        from_file = bool(document.lines)
        return document.problem(where[len(root) :] if from_file else where, message)

    def error(self, problems: Iterable[Problem]) -> SpecError:
        """All problems in the order of the files, each once."""
        ranked = sorted(problems, key=self._rank)
        lines = list(dict.fromkeys(self.problem(where, message) for where, message in ranked))
        shown = lines[:MAX_PROBLEMS]
        if len(lines) > MAX_PROBLEMS:
            shown.append(f"… and {len(lines) - MAX_PROBLEMS} more problems")
        return SpecError(shown)

    def _document(self, where: Where) -> tuple[Where, Document]:
        root = where
        while root not in self._documents:
            root = root[:-1]
        return root, self._documents[root]

    def _rank(self, problem: Problem) -> tuple[str, int]:
        root, document = self._document(problem[0])
        return document.source, document.line(problem[0][len(root) :])

    def include(self, where: Where, document: Document) -> None:
        """Put the content of ``document`` at ``where``.

        Raises:
            LookupError: there is no such place.
        """
        here: Any = self.value
        for depth, step in enumerate(where[:-1], start=1):
            if isinstance(here, dict) and step not in here:
                here[step] = {}
                self._documents[where[:depth]] = document
            here = _step_into(here, step)
        _step_into(here, where[-1], may_be_new=True)
        here[where[-1]] = document.value
        inside = [at for at in self._documents if at[: len(where)] == where]
        for at in inside:
            del self._documents[at]
        self._documents[where] = document

    @property
    def question(self) -> str:
        """The comment at the top of the file: what the study asks."""
        lines = []
        for line in self.main.text.splitlines():
            if line.strip() and not line.startswith("#"):
                break
            if not line.startswith("# yaml-language-server:"):
                lines.append(line.lstrip("#").strip())
        return "\n".join(lines).strip()


def _step_into(here: Any, step: str | int, *, may_be_new: bool = False) -> Any:
    if isinstance(step, int):
        if not isinstance(here, list):
            raise LookupError(f"[{step}] needs a list, but there is {show(here)}")
        if step >= len(here):
            raise LookupError(f"there is no entry [{step}]; the list has {len(here)}, from [0]")
        return here[step]
    if not isinstance(here, dict):
        raise LookupError(f"{step!r} needs a mapping, but there is {show(here)}")
    return here.get(step) if may_be_new else here[step]


def gather(source: str | Path, overrides: Sequence[str]) -> Sources:
    """Read a pipeline and what it refers to, and apply the command line's overrides.

    Raises:
        SpecError: a file cannot be read, is not strict YAML, or an override fits nowhere.
    """
    file = locate(source, "pipelines")
    sources = Sources(read_yaml(file, switches=SWITCHES))
    anchor_places(sources.value, file.parent)
    options = [_parse_override(text) for text in overrides]
    spaces = [option for option in options if option[0] == ("search_space",)]
    problems = _apply(sources, spaces)
    if isinstance(sources.value.get("search_space"), str):
        problems += _include_space(sources, Path() if spaces else file.parent)
    problems += _apply(sources, [option for option in options if option not in spaces])
    if problems:
        raise SpecError(problems)
    anchor_places(sources.value, Path())
    return sources


def locate(source: str | Path, folder: str) -> Path:
    """The file that a path or the name of a built-in means.

    Raises:
        SpecError: no such file, or no such built-in.
    """
    if isinstance(source, Path) or Path(source).suffix in (".yaml", ".yml") or "/" in source:
        if not (file := Path(os.path.expanduser(source))).exists():
            raise SpecError([f"{file}: there is no such file"])
        return _from_here(file)
    known = built_ins(folder)
    if source not in known:
        raise SpecError(
            [
                f"{source}: nothing built in has this name.{nearest(source, known)} "
                f"Known: {', '.join(known)}; a file's name ends in .yaml"
            ]
        )
    return _from_here(BUILT_IN / folder / f"{source}.yaml")


def _from_here(file: Path) -> Path:
    """The shortest readable form: relative if it lies below the working directory."""
    file, here = file.resolve(), Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def built_ins(folder: str) -> list[str]:
    """Names of the ``pipelines`` or ``search_spaces`` that come with the package."""
    return sorted(file.stem for file in (BUILT_IN / folder).glob("*.yaml"))


def anchor_places(value: dict[str, Any], folder: Path) -> None:
    """Make relative paths absolute: they start where the file that has them lies."""
    dataset, factors = value.get("dataset"), value.get("factors")
    factors = factors if isinstance(factors, dict) else {}
    levels = factors.get("dataset")
    configs = [dataset, *(levels if isinstance(levels, list) else [])]
    for config in configs:
        kind = config.get("kind") if isinstance(config, dict) else None
        if not isinstance(kind, str) or kind not in DATASETS:
            continue
        for name in place_fields(DATASETS[kind].config):
            if name in config:
                config[name] = _absolute(config[name], folder)
            if isinstance(paths := factors.get(f"dataset.{name}"), list):
                factors[f"dataset.{name}"] = [_absolute(path, folder) for path in paths]
    measure = value.get("measure")
    for config in measure if isinstance(measure, list) else []:
        kind = config.get("kind") if isinstance(config, dict) else None
        if isinstance(kind, str) and kind in MEASUREMENTS:
            for name in place_fields(MEASUREMENTS[kind].config):
                if name in config:
                    config[name] = _absolute(config[name], folder)


def settle_kinds(value: dict[str, Any]) -> None:
    """Give the data set and the model their default kinds, unless a factor varies them."""
    factors = value.get("factors")
    for part, kind in DEFAULT_KINDS.items():
        if isinstance(factors, dict) and (part in factors or f"{part}.kind" in factors):
            continue
        if isinstance(config := value.setdefault(part, {}), dict):
            config.setdefault("kind", kind)


def _absolute(path: Any, folder: Path) -> Any:
    if not isinstance(path, str):
        return path
    return str((folder / os.path.expanduser(path)).absolute())


def _include_space(sources: Sources, folder: Path) -> list[str]:
    where = ("search_space",)
    name = sources.value["search_space"]
    is_path = Path(name).suffix in (".yaml", ".yml") or "/" in name
    try:
        file = locate(folder / name if is_path else name, "search_spaces")
    except SpecError as unknown:
        return [sources.problem(where, problem) for problem in unknown.problems]
    try:
        sources.include(where, read_yaml(file))
    except SpecError as mistakes:
        return mistakes.problems
    return []


def _parse_override(text: str) -> tuple[Where, Document]:
    path, equals, value = text.partition("=")
    shown = f"{path}=…" if find_secrets(text) or len(text) > 80 else text
    label = f"-o {shown}"
    steps = re.findall(r"[^.\[\]\s]+|\[[0-9]+\]", path)
    if not equals or not steps:
        raise SpecError([f"{label}: needs PATH=VALUE, such as -o train.epochs=5"])
    where: Where = tuple(int(s[1:-1]) if s.startswith("[") else s for s in steps)
    if where[0] == "factors" and len(where) > 1:
        where = ("factors", path.strip().removeprefix("factors."))
    return where, parse_value(value, label, where, switches=SWITCHES)


def _apply(sources: Sources, options: Sequence[tuple[Where, Document]]) -> list[str]:
    problems = []
    for where, document in options:
        try:
            sources.include(where, document)
        except LookupError as missing:
            problems.append(document.problem(where, str(missing.args[0])))
    return problems
