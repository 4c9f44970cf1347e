"""A driver in a process of its own, real workers and all, that notes what it hears of each run.

``python -m tests.noting NOTES run FILE --output FOLDER`` is ``regsearch run FILE --output FOLDER``.
What is noted outlives a kill: ``trained`` when a run has trained for a while, ``recorded`` once it
is on the disk. (A test adds ``started``.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from regsearch.api import Study, reporting
from regsearch.cli import entry
from regsearch.study.driver import Driver
from regsearch.study.executors import Advanced, Event, Failed, Finished


def note(file: Path, what: str, runs: list[str]) -> None:
    """Append a line for each run, all of them at once."""
    with file.open("a") as lines:
        lines.write("".join(f"{what} {run}\n" for run in runs))


def listen(file: Path) -> None:
    """Let the driver note what it is told in ``file``."""
    tell = Driver.tell

    def noting(driver: Driver, event: Event) -> None:
        if isinstance(event, Advanced):
            note(file, "trained", [run.run for run in event.pack.runs])
        tell(driver, event)
        if isinstance(event, Finished | Failed):
            note(file, "recorded", [run.run for run in event.pack.runs])

    Driver.tell = noting  # type: ignore[method-assign]


def trained_again(file: Path) -> set[str]:
    """Runs that were trained although they were recorded."""
    recorded, again = set[str](), set[str]()
    for what, run in _lines(file):
        if what == "recorded":
            recorded.add(run)
        elif run in recorded:
            again.add(run)
    return again


def most_at_once(file: Path) -> int:
    """Most runs that were in training at the same time: heard of, and not recorded yet."""
    most, live = 0, set[str]()
    for what, run in _lines(file):
        if what == "started":
            live.clear()
        elif what == "trained":
            live.add(run)
        else:
            live.discard(run)
        most = max(most, len(live))
    return most


def _lines(file: Path) -> Iterator[list[str]]:
    return (line.split() for line in file.read_text().splitlines())


def write_nothing(study: Study) -> Path:
    """A page that says nothing, for drawing takes seconds."""
    page = study.folder / "report.html"
    page.write_text("<html></html>")
    return page


if __name__ == "__main__":
    listen(Path(sys.argv[1]))
    reporting.write = write_nothing
    os.environ.setdefault("COLUMNS", "300")
    sys.argv = ["regsearch", *sys.argv[2:]]
    entry()
