"""MLflow as a faithful view of the records: batched, idempotent, caught up after an outage.

Importing this package does not import MLflow; only the delivering process does.
"""

from regsearch.track.address import Tracking
from regsearch.track.outcome import Outcome
from regsearch.track.process import Delivery, outcome_on_disk
from regsearch.track.reachable import reachable
from regsearch.track.ui import ui_command, ui_environment

__all__ = [
    "Delivery",
    "Outcome",
    "Tracking",
    "outcome_on_disk",
    "reachable",
    "ui_command",
    "ui_environment",
]
