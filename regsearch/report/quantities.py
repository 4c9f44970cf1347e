"""Measured quantities as a reader sees them: unit, direction, label, and numbers as text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from regsearch.errors import UnknownName
from regsearch.metrics import reading
from regsearch.metrics.cost import TRAINING
from regsearch.registry import nearest
from regsearch.report._base import Metric, Results

SUMMARIES = {
    "last": "last epoch",
    "best": "best epoch",
    "last10": "mean of the last 10 epochs",
    "last10pct": "mean of the last 10 % of epochs",
    "gap": "best minus last 10",
    "area": "area under the curve",
}
_SUFFIX = re.compile(
    r"^(?P<name>.+?)(?:_(?P<summary>best|last10|last10pct|gap|area)|@(?P<epoch>\d+))?$"
)
_OF_CURVE = ("last10pct", "area")  # in no record: read from the curve
_EPOCH = re.compile(r"^epoch:([1-9]\d*)$")


class Quantity(NamedTuple):
    """A number that every run has: a measured quantity at one place of its curve.

    ``direction`` is +1 where higher is better, -1 where lower is, 0 where neither is known.
    """

    name: str  # test_accuracy
    summary: str  # last, best, last10, last10pct, gap, area or epoch:N
    direction: int
    percent: bool

    @property
    def epoch(self) -> int | None:
        """The epoch at which the curve is read, where the summary names one."""
        found = _EPOCH.match(self.summary)
        return int(found[1]) if found else None

    @property
    def of_curve(self) -> bool:
        """Whether its number is no column of the records and comes from the curve."""
        return self.epoch is not None or self.summary in _OF_CURVE

    @property
    def column(self) -> str:
        """Its column in the records (``test_accuracy_best``); ``name@N`` for a given epoch."""
        if self.epoch is not None:
            return f"{self.name}@{self.epoch}"
        return self.name if self.summary == "last" else f"{self.name}_{self.summary}"

    @property
    def label(self) -> str:
        """``Test accuracy, best epoch (%)``."""
        unit = "" if not self.percent else " (points)" if self.summary == "gap" else " (%)"
        return f"{self.words}{unit}"

    @property
    def words(self) -> str:
        """``Test accuracy, best epoch``."""
        if self.name in TRAINING:  # of all epochs
            return title(self.name)
        where = SUMMARIES.get(self.summary, self.summary.replace(":", " "))
        return f"{title(self.name)}, {where}"

    @property
    def scale(self) -> float:
        """What a stored number is multiplied by before it is shown."""
        return 100.0 if self.percent else 1.0

    def text(self, value: float, sign: bool = False) -> str:
        """The number as shown: two decimals for percentages, else three digits; a dash for NaN."""
        if not math.isfinite(value):
            return "–"  # noqa: RUF001 - no number, not minus
        plus = "+" if sign else ""
        shown = f"{value * self.scale:{plus}.2f}" if self.percent else f"{value:{plus}.3g}"
        return shown.replace("-", "−")  # noqa: RUF001 - a minus as wide as a plus

    def pair(self, mean: float, spread: float) -> str:
        """``97.52 ± 0.41``, the spread with as many decimals as the mean."""
        if self.percent or not (math.isfinite(mean) and math.isfinite(spread)):
            return f"{self.text(mean)} ± {self.text(spread)}"
        size = math.floor(math.log10(abs(mean))) if mean else 0
        if not -4 < size < 6:
            return f"{self.text(mean)} ± {self.text(spread)}"
        decimals = max(0, 3 - size)
        return f"{mean:.{decimals}f} ± {spread:.{decimals}f}".replace("-", "−")  # noqa: RUF001


def quantity(word: str, metric: Metric) -> Quantity:
    """What ``word`` means: a summary of the study's metric (``best``) or a column's full name."""
    if word in SUMMARIES or _EPOCH.match(word):
        name, summary = metric.name, word
    else:
        found = _SUFFIX.match(word)
        parts = found.groupdict() if found else {"name": word, "summary": None, "epoch": None}
        name = str(parts["name"])
        summary = f"epoch:{parts['epoch']}" if parts["epoch"] else parts["summary"] or "last"
    kind = reading(name)
    direction = 0 if kind is None else 1 if kind.higher_is_better else -1
    if name == metric.name:
        direction = 1 if metric.goal == "maximize" else -1
    if summary == "gap":
        direction = -1
    return Quantity(name, summary, direction, kind is not None and kind.unit == "fraction")


def check_quantity(word: str, columns: Sequence[str]) -> list[str]:
    """The problem with ``word`` as a quantity of a study with these columns, if there is one."""
    if word in SUMMARIES or _EPOCH.match(word) or word in columns:
        return []
    what = quantity(word, Metric(""))
    if what.of_curve and what.name in columns:
        return []
    return [
        f"no measured quantity named {word!r}.{nearest(word, [*SUMMARIES, *columns])} "
        f"Known: {', '.join(SUMMARIES)} (of the study's metric), epoch:N, or a column's full name"
    ]


def known_quantity(word: str, results: Results) -> Quantity:
    """What ``word`` means in this study; before a run has completed, any name is believed.

    Raises:
        UnknownName: completed runs have no such column.
    """
    records = results.records
    measured = len(records) and (records["status"] == "completed").any()
    problems = check_quantity(word, [*records.columns, *results.curves.columns])
    if measured and problems:
        raise UnknownName(problems[0])
    return quantity(word, results.metric)


def title(name: str) -> str:
    """``Test accuracy`` for ``test_accuracy``."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def number(value: object, digits: int = 9) -> str:
    """A setting as one would write it: 0.9999, 5e-5; at most ``digits`` significant digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    written = next(
        (w for p in range(1, digits) if math.isclose(float(w := f"{value:.{p}g}"), value)),
        f"{value:.{digits}g}",
    )
    if 1e-3 <= abs(value) < 1e6 and "e" in written:
        return f"{float(written):.0f}"
    if 0 < abs(value) < 1e-3 and "e" not in written:
        written = f"{float(written):e}"
    mantissa, _, exponent = written.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".") if exponent else mantissa
    return f"{mantissa}e{int(exponent)}" if exponent else written
