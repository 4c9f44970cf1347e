"""What can go wrong, and the exit code that each kind of failure has on the command line.

A user's mistake or an outside fault is a ``RegsearchError``: one message that says the rule, the
value, the place and the way out. Anything else is a bug and keeps its traceback (exit code 1).
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What ``regsearch`` returns to the shell."""

    DONE = 0  # every run has a valid record
    BUG = 1  # an internal error
    USER = 2  # the user's mistake: usage, file, data
    FAILED = 3  # finished, but some runs failed
    SERVICE = 4  # a service that the file demands cannot be reached
    STORAGE = 5  # disk full, read-only, damaged
    CONFLICT = 6  # same study with another task, or a live driver holds it
    BUDGET = 7  # stopped by a budget; run again to go on
    UNDELIVERED = 8  # finished, but MLflow has not received everything
    POLICY = 9  # refused: over a declared limit
    INTERRUPTED = 130  # Ctrl-C; everything finished so far is recorded
    TERMINATED = 143  # SIGTERM; likewise


class RegsearchError(Exception):
    """Base of every failure that is not a bug; the message is meant for the user."""

    exit_code = ExitCode.USER


class SpecError(RegsearchError):
    """Problems in a file, one ``file:line: path: problem`` line each, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class UnknownName(RegsearchError):
    """A name that no registry, study or column has."""


class DataError(RegsearchError):
    """A data set that is missing, damaged or of the wrong shape."""


class ServiceError(RegsearchError):
    """Ray or MLflow cannot be reached although the user demanded it."""

    exit_code = ExitCode.SERVICE


class StorageError(RegsearchError):
    """The disk refused: full, read-only, damaged, or of another version."""

    exit_code = ExitCode.STORAGE


class ConflictError(RegsearchError):
    """The study exists with another task, or another driver is running it."""

    exit_code = ExitCode.CONFLICT


class PolicyError(RegsearchError):
    """More than a declared limit allows."""

    exit_code = ExitCode.POLICY
