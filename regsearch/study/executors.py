"""Where packs are trained: the interface that the driver knows, and this process as one choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from regsearch.errors import StorageError
from regsearch.study.feed import Feed
from regsearch.study.pack import Pack
from regsearch.study.place import Place, here
from regsearch.study.stop import StopSwitch
from regsearch.study.work import Outcome, PackWork, Progress
from regsearch.train.pilot import Advice, pilot

REPORT_EVERY_S = 0.5
"""A pack reports after the first epoch that ends later than this: Ray's driver is one process."""


@dataclass(frozen=True)
class CheckpointPolicy:
    """Where a pack in training is saved, how often, and how many saves are kept."""

    folder: Path
    every_s: float
    keep: int


@dataclass(frozen=True)
class Begun:
    """A pack has a worker, which trains it from here on, or from where it was."""

    pack: Pack
    place: Place | None = None  # None until its first report


@dataclass(frozen=True)
class Advanced:
    """A pack trained for a while; its first report says where."""

    pack: Pack
    progress: Progress
    place: Place | None = None


@dataclass(frozen=True)
class Finished:
    """Every run of a pack has its outcome; ``by`` says what ended those that were stopped."""

    pack: Pack
    outcomes: list[Outcome]
    by: str = ""


@dataclass(frozen=True)
class Failed:
    """A pack ended with an error, after its retries."""

    pack: Pack
    reason: str


@dataclass(frozen=True)
class Waiting:
    """Nothing is trained for now, and why."""

    reason: str


Event = Begun | Advanced | Finished | Failed | Waiting


class Executor(Protocol):
    """Trains packs and tells what happens, until all are done or the switch is pulled."""

    @property
    def workers(self) -> int:
        """How many packs are trained at the same time."""

    def start(self) -> None:
        """Begin to start what is needed; returns at once."""

    def pilot(self, *arguments: Any) -> Advice:
        """``regsearch.train.pilot.pilot`` where the packs will be trained."""

    def run(self, feed: Feed, tell: Callable[[Event], None], switch: StopSwitch) -> None:
        """Train what ``feed`` hands out; an exception of ``tell`` stops everything and is raised.

        Raises:
            StorageError: a checkpoint cannot be written: no run's fault, and records need the disk.
        """

    def release(self) -> None:
        """Begin to give back what ``start`` took; returns at once."""

    def close(self) -> None:
        """Give back what ``start`` took, and wait for it."""


class InProcessExecutor:
    """One pack after the other in this process, without Ray: for debuggers and small studies."""

    workers = 1

    def __init__(self, checkpoints: CheckpointPolicy, max_failures: int = 0) -> None:
        self._checkpoints, self._max_failures = checkpoints, max_failures

    def start(self) -> None:
        """Nothing to start."""

    def release(self) -> None:
        """Nothing to give back."""

    def close(self) -> None:
        """Nothing to give back."""

    def pilot(self, *arguments: Any) -> Advice:
        """In this process."""
        return pilot(*arguments)

    def run(self, feed: Feed, tell: Callable[[Event], None], switch: StopSwitch) -> None:
        """Train what ``feed`` hands out, in order."""
        while not switch.pulled() and (pack := feed.next()) is not None:
            end = self._train(pack, tell, switch)
            if end is None:
                return
            tell(end)

    def _train(
        self, pack: Pack, tell: Callable[[Event], None], switch: StopSwitch
    ) -> Finished | Failed | None:
        reason, saves = "", self._checkpoints
        for _ in range(1 + self._max_failures):
            tell(Begun(pack, here(pack.engine.device)))
            work, reason = PackWork(pack, saves.folder, saves.every_s, saves.keep), ""
            while not (work.done or switch.pulled() or reason):
                try:
                    progress = work.advance(REPORT_EVERY_S)
                except StorageError:
                    raise
                except Exception as error:
                    reason = describe(error)
                else:
                    tell(Advanced(pack, progress))
            if work.done:
                return Finished(pack, work.outcomes)
            if switch.pulled():
                work.save()
                return None
        return Failed(pack, reason)


def describe(error: BaseException) -> str:
    """One line that says what went wrong, for a record and the report's table of failures."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
