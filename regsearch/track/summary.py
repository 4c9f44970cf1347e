"""What the parent run says about a study as a whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from regsearch.records.record import Record, Status
from regsearch.track.view import milliseconds


@dataclass
class Summary:
    """Counts over the records seen so far."""

    statuses: Counter[Status] = field(default_factory=Counter)
    regularizers: Counter[str] = field(default_factory=Counter)
    cells: set[str] = field(default_factory=set)
    seeds: set[int] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    started: str = ""  # of the first run, ISO 8601
    finished: str = ""  # of the last run

    def add(self, record: Record) -> None:
        """Count one record."""
        self.statuses[record.status] += 1
        self.regularizers[record.regularizer] += 1
        self.cells.add(record.cell)
        self.seeds.add(record.seed)
        if record.status is Status.FAILED:
            self.reasons[record.reason or "no reason given"] += 1
        self.seconds += record.seconds
        self.started = min(self.started or record.started, record.started)
        self.finished = max(self.finished, record.finished)

    @property
    def end_time(self) -> int:
        """When the last run finished, milliseconds since 1970."""
        return milliseconds(self.finished)

    def note(self) -> str:
        """The study in a few lines of Markdown."""
        lines = [
            f"**{self.statuses.total()} runs** of {len(self.cells)} cells, "
            f"{len(self.seeds)} seeds, {self.seconds / 3600:.2f} hours of training "
            f"between {self.started[:16]} and {self.finished[:16]} UTC.",
            "",
            "| status | runs |",
            "|---|---|",
            *(f"| {status.value} | {self.statuses[status]} |" for status in Status),
            "",
            "| regularizer | runs |",
            "|---|---|",
            *(f"| {name} | {count} |" for name, count in sorted(self.regularizers.items())),
        ]
        if self.reasons:
            lines += ["", "Failures:", ""]
            lines += [
                f"* {count} x {reason[:200]}" for reason, count in self.reasons.most_common(10)
            ]
        lines += ["", "Phase diagrams and tables: `report.html` among the artifacts."]
        lines += ["The same study again: `regsearch run resolved.yaml`, also among them."]
        return "\n".join(lines)
