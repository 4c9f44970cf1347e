"""End the driver of a study, as SIGTERM does: finished runs are recorded, the others saved."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from regsearch.errors import ConflictError
from regsearch.study.lock import Holder, holder

PATIENCE_S = 15.0
"""A driver ends within 9 s of SIGTERM, whatever its workers do."""

SETTLING_S = 0.05
"""Outlasts the instant in which a driver has the lock, but has not yet written who it is."""


def stop(folder: Path) -> str:
    """Send SIGTERM to whoever runs the study in ``folder``, wait until it has ended.

    Returns:
        What happened, in a sentence.

    Raises:
        ConflictError: it runs on another machine, is another user's, or does not end.
    """
    running = _settled(folder)
    if running is None:
        return f"Nobody runs {folder.name}."
    if running.host != socket.gethostname():
        raise ConflictError(
            f"{folder} is being run by {running}. Give `regsearch stop` on {running.host}"
        )
    began = time.monotonic()
    try:
        os.kill(running.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it ended by itself just now
    except PermissionError:
        raise ConflictError(f"{running} is another user's; only they can stop {folder}") from None
    while holder(folder) == running:
        if time.monotonic() - began > PATIENCE_S:
            raise ConflictError(
                f"{running} has not let go of {folder} for {PATIENCE_S:g} s after SIGTERM. "
                f"`kill -9 {running.pid}` loses no recorded run"
            )
        time.sleep(0.05)
    return f"Stopped {running}; give its `regsearch run` again to go on."


def _settled(folder: Path) -> Holder | None:
    """Who runs the study, read twice alike: never the previous holder's name."""
    seen = holder(folder)
    while True:
        time.sleep(SETTLING_S)
        before, seen = seen, holder(folder)
        if before == seen:
            return seen
