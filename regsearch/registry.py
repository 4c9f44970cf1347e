"""One table of named things of one kind: regularizers, optimizers, models, data sets, reports.

Built-ins and plugins enter by the same door, ``add``. A package outside names a module under the
entry-point group ``regsearch.<noun>s``; importing that module calls ``add``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from typing import Generic, Protocol, TypeVar

from regsearch.errors import RegsearchError, UnknownName


class Described(Protocol):
    """What every entry can say about itself."""

    @property
    def description(self) -> str:
        """One line for ``regsearch ls`` and the docs."""


T = TypeVar("T", bound=Described)


def nearest(word: str, known: Iterable[str]) -> str:
    """``" Did you mean 'x'?"``, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


class Registry(Generic[T]):
    """Entries by name, in the order in which they were added."""

    def __init__(self, noun: str, plural: str = "") -> None:
        self.noun, self.plural = noun, plural or f"{noun}s"
        self._entries: dict[str, T] = {}
        self._plugins_loaded = False

    def add(self, name: str, entry: T) -> T:
        """Register ``entry``; a name can be taken only once.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"{self.noun} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def replace(self, name: str, entry: T) -> None:
        """Put ``entry`` in the place of the one called ``name``, in this process.

        Raises:
            UnknownName: there is none.
        """
        self[name]
        self._entries[name] = entry

    def __getitem__(self, name: str) -> T:
        """The entry called ``name``.

        Raises:
            UnknownName: there is none; the message names the nearest and lists the known.
        """
        self._load_plugins()
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownName(
                f"no {self.noun} named {name!r}.{nearest(name, self)} Known: {', '.join(self)}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        self._load_plugins()
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        self._load_plugins()
        return name in self._entries

    def __len__(self) -> int:
        self._load_plugins()
        return len(self._entries)

    def _load_plugins(self) -> None:
        if self._plugins_loaded:
            return
        self._plugins_loaded = True  # first: a plugin may look up what is there
        for point in entry_points(group=f"regsearch.{self.plural.replace(' ', '_')}"):
            try:
                point.load()
            except Exception as error:
                raise RegsearchError(
                    f"the package {point.dist.name if point.dist else '?'!r} adds a {self.noun} in "
                    f"{point.value}, which cannot be imported: {type(error).__name__}: {error}. "
                    "Repair or uninstall it"
                ) from error
