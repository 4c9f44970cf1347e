"""Why a study stops before its end: a signal, or a budget. The driver owns the signals.

Ray's own handlers are not used: with them Ctrl-C ends a half-done study with exit code 0 and
SIGTERM aborts it without a last save.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from regsearch.errors import ExitCode

GRACE_S = 9.0
"""Seconds between SIGTERM and the end of the process, whatever the workers are doing."""

_CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGHUP: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
}


class StopSwitch:
    """Whether the study should stop now, and with which exit code."""

    def __init__(self, time_budget_s: float | None = None) -> None:
        self.code: ExitCode | None = None
        self._deadline = None if time_budget_s is None else time.monotonic() + time_budget_s
        self._used_up: Callable[[], bool] = lambda: False

    def watch(self, used_up: Callable[[], bool]) -> None:
        """Pull the switch, too, once ``used_up()`` says that another budget is."""
        self._used_up = used_up

    def pulled(self) -> bool:
        """True once a signal came or a budget is used up."""
        if self.code is None:
            late = self._deadline is not None and time.monotonic() > self._deadline
            if late or self._used_up():
                self.code = ExitCode.BUDGET
        return self.code is not None

    @property
    def signalled(self) -> bool:
        """True if somebody wants the process to end, rather than a budget the training."""
        return self.code not in (None, ExitCode.BUDGET)

    def pull(self, code: ExitCode) -> None:
        """Ask the study to stop; the first reason counts."""
        self.code = self.code or code


@contextmanager
def listening(switch: StopSwitch) -> Iterator[None]:
    """Pull the switch on SIGINT, SIGTERM and SIGHUP; a second signal ends the process at once.

    Nothing is lost either way: what is recorded is on the disk. Only SIGTERM and SIGHUP, which
    somebody sends who will not wait, set a deadline. Handlers can only be set in the main thread;
    elsewhere the caller's own remain.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signalled = False
    deadlines: list[threading.Timer] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal signalled
        code = _CODES[signal.Signals(number)]
        if signalled:
            os._exit(code)
        signalled = True
        switch.pull(code)
        if number == signal.SIGINT:
            _tell("Stopping after this epoch; Ctrl-C again stops at once.")
            return
        deadlines.append(threading.Timer(GRACE_S, os._exit, [code]))
        deadlines[0].daemon = True
        deadlines[0].start()

    before = {number: signal.signal(number, on_signal) for number in _CODES}
    try:
        yield
    finally:
        for deadline in deadlines:
            deadline.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def restore_handlers() -> None:
    """Set this process's signal handlers once more, if this is the main thread.

    While Ray starts it puts handlers of its own in their place, behind Python's back: SIGTERM would
    abort the driver.
    """
    if threading.current_thread() is threading.main_thread():
        for number in _CODES:
            signal.signal(number, signal.getsignal(number))


def _tell(text: str) -> None:
    """Write to standard error, as is safe in a signal handler."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{text}\n".encode())
