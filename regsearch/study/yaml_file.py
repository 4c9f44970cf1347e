"""Strict YAML: plain values that know their lines, and nothing that could surprise or explode."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from regsearch.errors import SpecError
from regsearch.mistakes import Where, show_path
from regsearch.study.scalars import plain_scalar
from regsearch.study.secret_literals import find_secrets

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_TEXT = 6_000  # characters; MLflow cuts longer parameters without a word
MAX_KEY = 250

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # only its parser is used
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]"
)


@dataclass(frozen=True)
class Document:
    """Plain values read from one text, and the line of every key and item in it.

    ``lines`` is empty for a value that has no lines, such as one from the command line.
    """

    source: str
    value: Any
    text: str = ""
    lines: dict[Where, int] = field(default_factory=dict, repr=False)

    def line(self, where: Where) -> int:
        """Line of a key or item, counted from 1, or of its nearest ancestor that was written."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def problem(self, where: Where, message: str) -> str:
        """``file:line: path: message``."""
        place = f"{self.source}:{self.line(where)}" if self.lines else self.source
        return _write(place, where, message)


def read_yaml(path: Path, *, switches: Collection[Where] = ()) -> Document:
    """Read a study file.

    Raises:
        SpecError: with one ``file:line: path: problem`` line for every problem in it.
    """
    try:
        raw = _read_regular(path)
    except OSError as fault:
        raise SpecError([f"{path}: cannot be read: {fault.strerror or fault}"]) from None
    if len(raw) > MAX_BYTES:
        raise SpecError([f"{path}: a study file has at most {MAX_BYTES // 1024} KiB; split it"])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        raise SpecError([f"{path}:{line}: is not UTF-8 text; save the file as UTF-8"]) from None
    return parse_yaml(text, str(path), switches=switches)


def parse_yaml(text: str, source: str, *, switches: Collection[Where] = ()) -> Document:
    """Read the text of a study file, a mapping; ``switches`` are places where ``off`` is a word.

    Raises:
        SpecError: with one ``source:line: path: problem`` line for every problem in it.
    """
    value, lines, problems = _parse(text, (), switches)
    if not problems and not isinstance(value, dict):
        found = "nothing" if value is None else f"a {type(value).__name__}"
        problems = [(1, (), f"needs a mapping such as 'name: my-study', found {found}")]
    if problems:
        raise SpecError(
            [_write(f"{source}:{line}", where, message) for line, where, message in problems]
        )
    return Document(source, value, text, lines)


def parse_value(
    text: str, source: str, where: Where, *, switches: Collection[Where] = ()
) -> Document:
    """Read the one value that ``where`` shall have, such as the 5 of ``-o train.epochs=5``.

    Raises:
        SpecError: the same problems that a file would have, without lines.
    """
    value, _, problems = _parse(text, where, switches)
    if problems:
        raise SpecError([_write(source, at, message) for _, at, message in problems])
    return Document(source, value)


def _write(*parts: str | Where) -> str:
    shown = (part if isinstance(part, str) else show_path(part) for part in parts)
    return ": ".join(part for part in shown if part)


def _read_regular(path: Path) -> bytes:
    """Whole content of a regular file, one byte over the limit at most; never waits for a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a regular file")
        return file.read(MAX_BYTES + 1)


Noted = tuple[int, Where, str]
"""Line, place and problem."""


def _parse(
    text: str, where: Where, switches: Collection[Where]
) -> tuple[Any, dict[Where, int], list[Noted]]:
    if secrets := find_secrets(text):
        return None, {}, [(line, (), problem) for line, problem in secrets]
    if odd := _FORBIDDEN.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        return (
            None,
            {},
            [(line, (), f"holds U+{ord(odd.group()):04X}, an invisible character")],
        )
    reader = _Reader(text, switches)
    return reader.read(where), reader.lines, reader.problems


class _UnreadableError(Exception):
    """A problem after which reading on would be useless or unsafe."""


class _Reader:
    """Builds one value from the parser's events; notes lines and problems on the way."""

    def __init__(self, text: str, switches: Collection[Where]) -> None:
        self.lines: dict[Where, int] = {}
        self.problems: list[Noted] = []
        self._text = text
        self._switches = switches
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._nodes = 0

    def read(self, where: Where) -> Any:
        value = None
        try:
            for event in self._events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self._check_start(event)
                elif isinstance(event, yaml.NodeEvent):
                    self.lines[where] = _line(event)
                    value = self._value(event, where, 1)
        except yaml.MarkedYAMLError as fault:
            self._note_syntax(fault)
        except yaml.YAMLError as fault:
            self.problems.append((1, (), f"is not YAML: {fault}"))
        except _UnreadableError:
            pass
        return value

    def _value(self, event: Any, where: Where, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._give_up(event, (), f"holds more than {MAX_NODES:,} values; split the study")
        if depth > MAX_DEPTH:
            self._give_up(event, where[:2], f"is nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self._note(event, where, "aliases (*name) are not read; write the value again")
        if event.anchor is not None:
            self._note(event, where, "anchors (&name) are not read; write the value again")
        if event.tag is not None:
            self._note(event, where, f"tags are not read; remove {event.tag}")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(where, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(where, depth)
        return self._scalar(event, where)

    def _list(self, where: Where, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            here = (*where, len(values))
            self.lines[here] = _line(event)
            values.append(self._value(event, here, depth + 1))
        return values

    def _mapping(self, where: Where, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, where, depth)
            here = (*where, key or "")
            if key in values:
                first = self.lines[here]
                self._note(event, here, f"is given twice, first on line {first}; keep one")
                key = None
            elif key is not None:
                self.lines[here] = _line(event)
            value = self._value(next(self._events), here, depth + 1)
            if key is not None:
                values[key] = value
        return values

    def _key(self, event: Any, where: Where, depth: int) -> str | None:
        """The text of a key, or nothing if it cannot be one."""
        self._nodes += 1
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            self._note(event, where, "needs a word as key, without tags, aliases or brackets")
            if not isinstance(event, yaml.ScalarEvent):
                self._value(event, where, depth + 1)
            return None
        if event.value == "<<" and event.implicit[0]:
            self._note(event, where, "merge keys (<<) are not read; write the values out")
        if event.anchor is not None:
            self._note(event, where, "anchors (&name) are not read; write the key again")
        if len(event.value) > MAX_KEY:
            self._give_up(event, where, f"has a key of more than {MAX_KEY} characters")
        return str(event.value)

    def _scalar(self, event: Any, where: Where) -> Any:
        if not event.implicit[0] or event.tag is not None:
            if len(event.value) > MAX_TEXT:
                self._note(event, where, f"needs a text of at most {MAX_TEXT:,} characters")
            return event.value
        try:
            return plain_scalar(event.value, switches=where in self._switches)
        except ValueError as problem:
            return self._note(event, where, str(problem))

    def _check_start(self, event: Any) -> None:
        if event.version is not None or event.tags:
            self._note(event, (), "directives (%YAML, %TAG) are not read; remove them")
        if self._nodes:
            self._give_up(event, (), "a second document starts here; one file holds one")

    def _note(self, event: Any, where: Where, message: str) -> None:
        self.problems.append((_line(event), where, message))

    def _give_up(self, event: Any, where: Where, message: str) -> None:
        self._note(event, where, message)
        raise _UnreadableError

    def _note_syntax(self, fault: yaml.MarkedYAMLError) -> None:
        mark = fault.problem_mark or fault.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = " ".join(part for part in (fault.context, fault.problem) if part)
        written = self._text[mark.index :] if mark else ""
        advice = "; indent with spaces, not tabs" if written.startswith("\t") else ""
        self.problems.append((line, (), f"is not YAML at column {column}: {said}{advice}"))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
