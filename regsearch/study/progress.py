"""What a person sees while a study runs: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LIVE_EVERY_S = 0.1
PLAIN_EVERY_S = 10.0
_RATE_WINDOW_S = 30.0


@dataclass
class Tally:
    """Counts of a running study; an epoch is one epoch of one run."""

    runs: int  # planned
    recorded: int  # had records before this start
    epochs: int  # to train from now on; less where a pack went on from a checkpoint
    goal: str  # metric that the study is about
    higher_is_better: bool
    at_most: bool = False  # whether there may be fewer runs than planned
    finished: int = 0
    failed: int = 0
    diverged: int = 0
    epochs_done: int = 0
    best: float | None = None
    waiting: str = ""  # why nothing is trained for now
    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def advance(self, epochs: int, best: float | None) -> None:
        """Count what a pack reports."""
        self.epochs_done += epochs
        self.waiting = ""
        if best is not None and best == best:
            pick = max if self.higher_is_better else min
            self.best = best if self.best is None else pick(self.best, best)
        now = time.monotonic()
        self._marks.append((now, self.epochs_done))
        while len(self._marks) > 2 and now - self._marks[0][0] > _RATE_WINDOW_S:
            self._marks.popleft()

    @property
    def rate(self) -> float:
        """Epochs per second over the last half minute, or between the last two reports."""
        if len(self._marks) < 2:
            return 0.0
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        return (after - before) / max(end - start, 1e-9)

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the present rate."""
        return (self.epochs - self.epochs_done) / self.rate if self.rate else None

    def line(self) -> str:
        """All of it in one line."""
        done = self.recorded + self.finished
        planned = f"{done:,} of up to {self.runs:,}" if self.at_most else f"{done:,}/{self.runs:,}"
        parts = [f"{planned} runs"]
        if self.rate:
            parts.append(f"{self.rate:,.0f} epochs/s")
        if self.eta_s is not None and self.epochs_done < self.epochs:
            parts.append(f"{duration(self.eta_s)} left")
        if self.diverged:
            parts.append(f"{self.diverged} diverged")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.best is not None:
            parts.append(f"best {self.goal} {self.best:.4g}")
        if self.waiting:
            parts.append(f"waiting for {self.waiting}")
        return " · ".join(parts)


class ProgressDisplay:
    """Shows a tally; use as a context manager."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self._tally, self._console = tally, console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._every_s = LIVE_EVERY_S if console.is_terminal else PLAIN_EVERY_S
        self._shown_at = time.monotonic()

    def __enter__(self) -> ProgressDisplay:
        if self._console.is_terminal:
            self._live.start()
            self._show()
        return self

    def __exit__(self, *error: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def update(self) -> None:
        """Show the tally as it is now, unless that was done a moment ago."""
        if time.monotonic() - self._shown_at > self._every_s:
            self._show()

    def _show(self) -> None:
        self._shown_at = time.monotonic()
        if self._console.is_terminal:
            self._live.update(self._picture(), refresh=True)
        else:
            self._console.print(self._tally.line(), highlight=False)

    def _picture(self) -> Table:
        tally = self._tally
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(tally.epochs, 1), completed=tally.epochs_done, width=30)
        row.add_row(bar, Text(tally.line()))
        return row


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(42.4), duration(75), duration(7300)
    ('42 s', '1 min 15 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
