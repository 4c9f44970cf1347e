"""How the delivering process learns that it should end: its input is closed, or a signal comes."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType


class ProcessEnding:
    """Watches an input (whose other end the driver holds, alive) and SIGTERM and SIGINT."""

    def __init__(self, followed: int | None) -> None:
        """``followed`` is a file descriptor, or ``None`` if no more records will come."""
        self._followed = followed
        self.closing = followed is None
        self.stopped = False
        # A signal writes a byte into this pipe, which ends the wait; Python alone would go on.
        self._bell, bell_push = os.pipe()
        os.set_blocking(bell_push, False)
        signal.set_wakeup_fd(bell_push, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def wait(self, seconds: float) -> None:
        """Let at most ``seconds`` pass; return early on news."""
        watched = [self._bell] if self._followed is None else [self._bell, self._followed]
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._bell in ready:
            os.read(self._bell, 64)
        if self._followed in ready and os.read(self._followed, 4096) == b"":
            self._followed, self.closing = None, True

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
