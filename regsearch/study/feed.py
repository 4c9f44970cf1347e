"""What an executor trains next: packs that are known beforehand, or that depend on others."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from regsearch.records import Record
from regsearch.study.pack import Pack


class Feed(Protocol):
    """Hands out packs one by one, and hears what is recorded of them."""

    def next(self) -> Pack | None:
        """The next pack to train; ``None`` until more is heard, or at the end."""

    @property
    def done(self) -> bool:
        """True once there is no pack left to hand out, whatever is heard."""

    def hear(self, records: Sequence[Record]) -> None:
        """Take note of what has been recorded."""


class Packs:
    """Packs in order."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._waiting = deque(packs)

    def __len__(self) -> int:
        return len(self._waiting)

    def next(self) -> Pack | None:
        """The first that was not handed out."""
        return self._waiting.popleft() if self._waiting else None

    @property
    def done(self) -> bool:
        """True once all are handed out."""
        return not self._waiting

    def hear(self, records: Sequence[Record]) -> None:
        """Nothing depends on it."""
