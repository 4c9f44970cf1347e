"""What is in training, where, and since when: what ``status`` shows of a study that runs.

The driver writes it to a file beside the store. It counts as long as that driver lives, as its
lock does, and is never read again; so it need not survive a crash, and no record waits for it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from regsearch.disk import TEMPORARY
from regsearch.study.executors import Advanced, Begun, Event, Failed, Finished
from regsearch.study.lock import Holder
from regsearch.study.pack import Pack
from regsearch.study.place import Place
from regsearch.study.progress import duration

NAME = "training.json"
EVERY_S = 1.0
"""Seconds from one writing to the next: there may be hundreds of packs in each."""


@dataclass(frozen=True)
class Seat:
    """A pack in training."""

    pack: str
    runs: int
    regularizer: str
    epochs: int  # that its runs are asked for
    since: str  # ISO 8601, UTC: when it began, or went on
    epoch: float = 0.0  # that its runs have come to, on average
    heard: str | None = None  # its last report
    place: Place | None = None  # once it has reported

    @classmethod
    def of(cls, pack: Pack, place: Place | None = None) -> Self:
        """A pack that begins now."""
        task = pack.runs[0].task
        kinds = " + ".join(entry.kind for entry in task.regularizers)
        return cls(pack.name, len(pack.runs), kinds, task.train.epochs, _now(), place=place)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """Inverse of ``to_dict``, through JSON."""
        place = told["place"]
        if place is not None:
            place = Place(**place | {"gpu_ids": tuple(place["gpu_ids"])})
        return cls(**told | {"place": place})

    def __str__(self) -> str:
        """``3f2a…  16 runs  none  epoch 12 of 100  laptop  for 2 min 10 s, heard 1 s ago``."""
        where = str(self.place) if self.place else "starting"
        heard = f", heard {_ago(self.heard)} ago" if self.heard else ""
        runs = f"{self.runs:>4} run{'' if self.runs == 1 else 's'}"
        epoch = f"epoch {self.epoch:.4g} of {self.epochs}"
        return (
            f"{self.pack}  {runs}  {self.regularizer}  {epoch}  {where}  "
            f"for {_ago(self.since)}{heard}"
        )


class Board:
    """The packs in training; hears what the driver hears."""

    def __init__(self) -> None:
        self._seats: dict[str, Seat] = {}
        self._lock = threading.Lock()

    def hear(self, event: Event) -> None:
        """Seat a pack that begins, note its reports, and free its place when it ends."""
        with self._lock:
            match event:
                case Begun(pack, place):
                    self._seats[pack.name] = Seat.of(pack, place)
                case Advanced(pack, progress, place):
                    seat = self._seats.get(pack.name) or Seat.of(pack)
                    if place is not None:
                        self._free(place)
                        seat = replace(seat, place=place)
                    self._seats[pack.name] = replace(seat, epoch=progress.epoch, heard=_now())
                case Finished(pack) | Failed(pack):
                    self._seats.pop(pack.name, None)

    def seats(self) -> list[Seat]:
        """Those that have begun first come first."""
        with self._lock:
            return list(self._seats.values())

    def _free(self, place: Place) -> None:
        """A worker trains one pack: the one before was stopped there and waits for others."""
        worker = place.node, place.address, place.process
        for name, seat in list(self._seats.items()):
            there = seat.place
            if there and (there.node, there.address, there.process) == worker:
                del self._seats[name]


@contextmanager
def shown(folder: Path, driver: Holder) -> Iterator[Board]:
    """A board that others can read in ``folder``, as it was a second ago."""
    board, over = Board(), threading.Event()
    path = folder / NAME

    def show() -> None:
        before: list[Seat] | None = None
        while not over.is_set():
            if (seats := board.seats()) != before:
                _write(path, driver, seats)
                before = seats
            over.wait(EVERY_S)

    writer = threading.Thread(target=show, name="placement", daemon=True)
    writer.start()
    try:
        yield board
    finally:
        over.set()
        writer.join()
        path.unlink(missing_ok=True)


def in_training(folder: Path, driver: Holder | None) -> list[Seat]:
    """What ``driver``, who runs the study in ``folder`` now, has in training there."""
    try:
        told = json.loads((folder / NAME).read_bytes())
    except (OSError, ValueError):
        return []
    if driver is None or told["driver"] != asdict(driver):  # left by one that was killed
        return []
    return [Seat.from_dict(seat) for seat in told["seats"]]


def _write(path: Path, driver: Holder, seats: list[Seat]) -> None:
    """All or nothing, but not durably; a disk that refuses is told of where records are written."""
    told = {"driver": asdict(driver), "seats": [seat.to_dict() for seat in seats]}
    temporary = path.with_name(f"{path.name}{TEMPORARY}")
    with suppress(OSError):
        temporary.write_text(json.dumps(told))
        os.replace(temporary, path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _ago(moment: str) -> str:
    passed = datetime.now(UTC) - datetime.fromisoformat(moment)
    return duration(max(0.0, passed.total_seconds()))
