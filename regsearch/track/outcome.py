"""How a delivery ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from regsearch.errors import ExitCode


@dataclass(frozen=True)
class Outcome:
    """How many of a study's records MLflow has, how many it has not, and why."""

    delivered: int
    outstanding: int
    error: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """``DONE``, or ``UNDELIVERED`` if anything is missing."""
        whole = self.outstanding == 0 and self.error is None
        return ExitCode.DONE if whole else ExitCode.UNDELIVERED

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Outcome:
        """Read what ``to_json`` wrote."""
        return cls(**json.loads(line))
