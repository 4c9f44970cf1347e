"""Follow a study until all has arrived in MLflow, or it is time to give up."""

from __future__ import annotations

import logging
import traceback
from time import monotonic
from typing import Protocol

from regsearch.track.address import Address
from regsearch.track.courier import Courier

POLL_S = 0.5
LONGEST_PAUSE_S = 30.0
LONGEST_LAST_PAUSE_S = 4.0  # while somebody waits for the end

_logger = logging.getLogger(__name__)


class Ending(Protocol):
    """Whether the end has come."""

    closing: bool  # no more records will come
    stopped: bool  # end now

    def wait(self, seconds: float) -> None:
        """Let at most ``seconds`` pass; return early on news."""


def follow(courier: Courier, address: Address, ending: Ending, patience_s: float) -> str | None:
    """Deliver as records come, until they have ended and all has arrived.

    In trouble it tries again after 1, 2, 4 ... s. Once the records have ended it gives up after
    ``patience_s`` of nothing but trouble. Returns the trouble, or ``None``.
    """
    failures, failing_since = 0, 0.0
    trouble: str | None = None
    while True:
        ending.wait(0)
        if ending.stopped:
            return trouble or "stopped before the end"
        closing = ending.closing  # read first: what was recorded before it is seen below
        try:
            if courier.carry():
                failures, trouble = 0, None
                continue
            if closing:
                courier.conclude()
                return None
            failures, trouble = 0, None
        except Exception as error:
            trouble = address.hide_credentials(f"{type(error).__name__}: {error}")
            evidence = trouble if failures else address.hide_credentials(traceback.format_exc())
            _logger.warning("cannot deliver to MLflow: %s", evidence)
            courier.disconnect()
            failures += 1
        if failures <= 1 or not closing:
            failing_since = monotonic()
        elif monotonic() - failing_since > patience_s:
            return trouble
        longest = LONGEST_LAST_PAUSE_S if closing else LONGEST_PAUSE_S
        ending.wait(min(2.0 ** (failures - 1), longest) if failures else POLL_S)
