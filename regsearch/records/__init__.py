"""What came out of the runs: the record, the store that keeps it, and tables made from it."""

from regsearch.records.record import Record, Status
from regsearch.records.store import Store

__all__ = ["Record", "Status", "Store"]
